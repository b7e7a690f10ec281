// Curves, drawn by Plotly after the rest of the page is shown.

let plotly = null;

/** Load Plotly once. The Content-Security-Policy allows its script by hash. */
function library() {
  plotly ??= unpack(stored("plotly")).then((text) => {
    document.head.append(element("style", { id: "plotly.js-style-global" }));
    document.head.append(element("script", {}, text));
    return window.Plotly;
  });
  return plotly;
}

/** Escape text for Plotly, which parses some of it as markup. */
const plain = (text) =>
  String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

const DASHES = ["solid", "dash", "dot", "dashdot", "longdash", "longdashdot"];

/**
 * Create the traces of a curve and of its band, which fills the area between two hidden lines. The
 * index is that of the curve among those of its system.
 */
function traces(series, index, categories) {
  const color = colorOf(series.system);
  const dash = DASHES[(index + roundOf(series.system)) % DASHES.length];
  const common = { x: categories ? series.x.map(plain) : series.x, legendgroup: series.name };
  const hidden = { mode: "lines", line: { width: 0 }, hoverinfo: "skip", showlegend: false };
  const band = series.low && series.high ? [
    { ...common, ...hidden, y: series.low },
    { ...common, ...hidden, y: series.high, fill: "tonexty", fillcolor: `${color}2b` },
  ] : [];
  return [...band, {
    ...common,
    y: series.y,
    name: plain(series.name),
    mode: "lines+markers",
    line: { color, width: 2, dash },
    marker: { color, size: 8, symbol: SYMBOLS[shapeOf(series.system)] },
    hovertemplate: categories ? "%{y:.2f}" : "%{fullData.name}<br>%{x:.2f}, %{y:.2f}<extra></extra>",
  }];
}

/** Create the trace of the values of an ideal system. */
const idealTrace = ({ x, y }) => ({
  x: x.map(plain), y, name: "ideal", mode: "lines", hoverinfo: "skip",
  line: { color: "#888888", width: 1.5, dash: "dash" },
});

async function plot(box, curve) {
  const indexOf = (series) =>
    curve.series.filter((other) => other.system === series.system).indexOf(series);
  const font = { family: getComputedStyle(box).fontFamily, size: 13 };
  const axis = (name, type) => ({
    type, title: { text: plain(name), font }, automargin: true, zeroline: false, fixedrange: true,
  });
  const layout = {
    font,
    margin: { l: 50, r: 12, t: 12, b: 40 },
    paper_bgcolor: "transparent",
    plot_bgcolor: "transparent",
    hovermode: curve.categories ? "x unified" : "closest",
    showlegend: true,
    legend: { orientation: "h", x: 0, y: 1, yanchor: "bottom" },
    xaxis: axis(curve.x, curve.categories ? "category" : "linear"),
    yaxis: axis(curve.y, "linear"),
  };
  const data = [
    ...(curve.ideal ? [idealTrace(curve.ideal)] : []),
    ...curve.series.flatMap((series) => traces(series, indexOf(series), curve.categories)),
  ];
  box.style.height = `${320 + 16 * curve.series.length}px`; // leaves room for the legend
  await (await library()).newPlot(box, data, layout, { displayModeBar: false, responsive: true });
  box.removeAttribute("aria-busy");
}

/** Return the x values of all series in order. Those of an ideal system are all bins, in order. */
function placesOf({ categories, ideal, series }) {
  const places = [...new Set(series.flatMap(({ x }) => x))];
  if (!categories) places.sort((a, b) => a - b);
  if (ideal) places.sort((a, b) => ideal.x.indexOf(a) - ideal.x.indexOf(b));
  return places;
}

/** Create a table of a curve: a row per x value, a column per series. */
function numbers(curve) {
  const rows = placesOf(curve).map((x) => [
    curve.categories ? x : x.toFixed(2),
    ...curve.series.map((series) => series.y[series.x.indexOf(x)]?.toFixed(2) ?? "–"),
  ]);
  const head = [curve.x, ...curve.series.map((series) => named(series.name))];
  return table(curve.title, head, rows, "numbers");
}

function figure(curve) {
  const box = element("div", {
    class: "plot", role: "img", "aria-label": `${curve.title}; a table of the values follows`,
    "aria-busy": "true",
  });
  const folded = element("details", {}, element("summary", {}, "Values"));
  folded.addEventListener("toggle", () => folded.append(numbers(curve)), { once: true });
  return element("figure", {}, element("figcaption", {}, curve.title), box, folded);
}

/** Draw the curves of a test set one by one, so that the page stays responsive. */
async function drawCurves(curves) {
  const figures = curves.map(figure);
  $("#curves .figures").replaceChildren(...figures);
  $("#curves").hidden = !figures.length;
  for (const [index, one] of figures.entries()) {
    await new Promise((resume) => setTimeout(resume));
    if (!one.isConnected) return; // another test set was selected
    await plot(one.querySelector(".plot"), curves[index]);
  }
}
