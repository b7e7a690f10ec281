// Curves, drawn by Plotly once the rest of the page is there to be read.

let plotly = null;

/** The library, run once. The page's policy knows this script by its hash. */
function library() {
  plotly ??= unpack(stored("plotly")).then((text) => {
    document.head.append(element("style", { id: "plotly.js-style-global" }));
    document.head.append(element("script", {}, text));
    return window.Plotly;
  });
  return plotly;
}

/** Text for Plotly, which takes some of it for markup. */
const plain = (text) =>
  String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

const DASHES = ["solid", "dash", "dot", "dashdot", "longdash", "longdashdot"];

/** A curve with its band, which is drawn as two lines without ink and what lies between them. */
function traces(series, nth, categories) {
  const colour = COLOURS[place(series.system)];
  const common = { x: categories ? series.x.map(plain) : series.x, legendgroup: series.name };
  const unseen = { mode: "lines", line: { width: 0 }, hoverinfo: "skip", showlegend: false };
  const band = series.low && series.high ? [
    { ...common, ...unseen, y: series.low },
    { ...common, ...unseen, y: series.high, fill: "tonexty", fillcolor: `${colour}2b` },
  ] : [];
  return [...band, {
    ...common,
    y: series.y,
    name: plain(series.name),
    mode: "lines+markers",
    line: { color: colour, width: 2, dash: DASHES[nth % DASHES.length] },
    marker: { color: colour, size: 8, symbol: SYMBOLS[place(series.system)] },
    hovertemplate: categories ? "%{y:.2f}" : "%{fullData.name}<br>%{x:.2f}, %{y:.2f}<extra></extra>",
  }];
}

async function plot(box, curve) {
  const nth = (series) =>
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
  const data = curve.series.flatMap((series) => traces(series, nth(series), curve.categories));
  box.style.height = `${320 + 16 * curve.series.length}px`; // for a long legend too
  await (await library()).newPlot(box, data, layout, { displayModeBar: false, responsive: true });
  box.removeAttribute("aria-busy");
}

/** The numbers of a curve: a row a place, a column a series. */
function numbers(curve) {
  const places = [...new Set(curve.series.flatMap((series) => series.x))];
  if (!curve.categories) places.sort((a, b) => a - b);
  const rows = places.map((x) => [
    curve.categories ? x : x.toFixed(2),
    ...curve.series.map((series) => series.y[series.x.indexOf(x)]?.toFixed(2) ?? "–"),
  ]);
  const head = [curve.x, ...curve.series.map((series) => named(series.name))];
  return table(curve.title, head, rows, "numbers");
}

function figure(curve) {
  const box = element("div", {
    class: "plot", role: "img", "aria-label": `${curve.title}; its numbers follow`,
    "aria-busy": "true",
  });
  const folded = element("details", {}, element("summary", {}, "The numbers"));
  folded.addEventListener("toggle", () => folded.append(numbers(curve)), { once: true });
  return element("figure", {}, element("figcaption", {}, curve.title), box, folded);
}

/** Show the curves of a test set and draw them one by one, so that the page is never still long. */
async function drawCurves(curves) {
  const figures = curves.map(figure);
  $("#curves .figures").replaceChildren(...figures);
  $("#curves").hidden = !figures.length;
  for (const [nth, one] of figures.entries()) {
    await new Promise((resume) => setTimeout(resume));
    if (!one.isConnected) return; // another test set was chosen
    await plot(one.querySelector(".plot"), curves[nth]);
  }
}
