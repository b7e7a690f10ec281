// Download a heatmap as SVG or PNG, and its numbers as JSON; all made in the browser.

const SVG = "http://www.w3.org/2000/svg";

function drawing(name, attributes, ...children) {
  const created = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) created.setAttribute(key, value);
  created.append(...children);
  return created;
}

/** Draw a heatmap as SVG, with black text on white: for print. The title has two lines. */
function picture([title, details], map) {
  const [columns, rows] = [map.source.length, map.target.length];
  const widest = (words) => Math.max(...words.map((word) => [...word].length)) * 8 + 12;
  const [left, top] = [widest(map.target), widest(map.source) + 46];
  const width = Math.max(left + columns * CELL, title.length * 9, details.length * 7.5) + 12;
  const height = top + rows * CELL + 12;
  const svg = drawing("svg", {
    xmlns: SVG,
    width,
    height,
    viewBox: `0 0 ${width} ${height}`,
    "font-size": 13,
    "font-family": "system-ui, 'Noto Sans', 'DejaVu Sans', sans-serif",
  });
  svg.append(drawing("title", {}, `${title}, ${details}`));
  svg.append(drawing("rect", { width, height, fill: "#fff" }));
  svg.append(drawing("text", { x: 6, y: 18, "font-weight": 600 }, title));
  svg.append(drawing("text", { x: 6, y: 36, "font-size": 12 }, details));
  const place = (row, column) => ({ x: left + column * CELL, y: top + row * CELL });
  map.source.forEach((word, column) => {
    const { x, y } = place(0, column);
    const at = `translate(${x + CELL / 2 + 4} ${y - 6}) rotate(-90)`;
    svg.append(drawing("text", { transform: at }, word));
  });
  map.target.forEach((word, row) => {
    const { x, y } = place(row, 0);
    svg.append(drawing("text", { x: x - 6, y: y + CELL / 2 + 4, "text-anchor": "end" }, word));
  });
  const size = { width: CELL - 1, height: CELL - 1 };
  scaled(map).forEach((weight, index) => {
    if (!weight) return;
    const at = place(Math.floor(index / columns), index % columns);
    const fill = `rgb(${inkOf(weight, map.signed).replaceAll(" ", ",")})`; // as SVG 1.1 has it
    svg.append(drawing("rect", { ...at, ...size, fill, "fill-opacity": Math.abs(weight) / 255 }));
  });
  svg.append(
    drawing("rect", {
      ...place(0, 0),
      width: columns * CELL,
      height: rows * CELL,
      fill: "none",
      stroke: "#d5d9dd",
    }),
  );
  for (const [kind, dash] of [
    ["sure", "none"],
    ["possible", "3 2"],
  ]) {
    for (const [column, row] of map[kind] ?? []) {
      svg.append(
        drawing("rect", {
          ...place(row, column),
          ...size,
          fill: "none",
          stroke: "#d55e00",
          "stroke-width": 2,
          "stroke-dasharray": dash,
        }),
      );
    }
  }
  return svg;
}

/** Scale the values of a map to -255 ... 255: a distribution by itself, others by the largest. */
function scaled(map) {
  const values = map.values.flat();
  const largest = map.signed ? Math.max(...values.map(Math.abs), 1e-9) : 1;
  return values.map((value) =>
    Math.round((255 * Math.max(-largest, Math.min(largest, value))) / largest),
  );
}

function save(name, blob) {
  const address = URL.createObjectURL(blob);
  const link = element("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

const svgText = (title, map) => new XMLSerializer().serializeToString(picture(title, map));

function saveSvg(name, title, map) {
  save(`${name}.svg`, new Blob([svgText(title, map)], { type: "image/svg+xml" }));
}

async function savePng(name, title, map) {
  const address = URL.createObjectURL(new Blob([svgText(title, map)], { type: "image/svg+xml" }));
  const image = new Image();
  image.src = address;
  await image.decode();
  const most = Math.min(2, SIDE / Math.max(image.width, image.height));
  const canvas = element("canvas", { width: image.width * most, height: image.height * most });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  URL.revokeObjectURL(address);
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  save(`${name}.png`, blob);
}

function saveJson(name, content) {
  save(
    `${name}.json`,
    new Blob([`${JSON.stringify(content, null, 1)}\n`], { type: "application/json" }),
  );
}
