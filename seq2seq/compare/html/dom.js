// The report's data, names and colors of systems.

const stored = (id) => JSON.parse(document.getElementById(id).textContent);

/** Decompress a text that is stored as zlib data in base64. */
async function unpack(packed) {
  const bytes = Uint8Array.from(atob(packed), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).text();
}

const report = stored("report");
const systems = report.systems.map((system) => system.name);
const systemOf = new Map(report.runs.map((run) => [run.name, run.system]));
for (const name of systems) systemOf.set(name, name);

// Color-blind safe palette of Okabe and Ito; shapes distinguish systems in grayscale print.
const COLORS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"];
const SHAPES = ["●", "■", "▲", "◆", "✚", "★"];
const SYMBOLS = ["circle", "square", "triangle-up", "diamond", "cross", "star"];

const place = (system) => Math.max(0, systems.indexOf(system)) % COLORS.length;

/** Return a label of a name, with the symbol of its system if there are several systems. */
function named(name) {
  const label = element("span", { class: "named" });
  const system = systemOf.get(name);
  if (system !== undefined && systems.length > 1) {
    const sign = element("span", { class: "sign", "aria-hidden": "true" }, SHAPES[place(system)]);
    sign.style.color = COLORS[place(system)];
    label.append(sign);
  }
  label.append(name);
  return label;
}
