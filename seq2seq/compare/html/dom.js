// The report's data, names and colors of systems.

const stored = (id) => JSON.parse(document.getElementById(id).textContent);

/** Decompress a text that is stored as zlib data in base64. */
async function unpack(packed) {
  const bytes = Uint8Array.from(atob(packed), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).text();
}

/** Data of the lines of a test set, in compressed blocks that are unpacked when first needed. */
class Blocks {
  constructor(prefix) {
    this.prefix = prefix;
    this.elements = new Map();
  }

  /** Return the data of one line of a run. */
  async line(run, line) {
    const id = `${this.prefix}-${run}`;
    if (!this.elements.has(id)) this.elements.set(id, stored(id));
    const blocks = this.elements.get(id);
    const index = Math.floor(line / report.chunk);
    if (typeof blocks[index] === "string") blocks[index] = unpack(blocks[index]).then(JSON.parse);
    return (await blocks[index])[line % report.chunk];
  }
}

const report = stored("report");
const systems = report.systems.map((system) => system.name);
const systemOf = new Map(report.runs.map((run) => [run.name, run.system]));
for (const name of systems) systemOf.set(name, name);

// Color-blind safe palette of Okabe and Ito; shapes distinguish systems in grayscale print.
const COLORS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"];
const SHAPES = ["●", "■", "▲", "◆", "✚", "★"];
const SYMBOLS = ["circle", "square", "triangle-up", "diamond", "cross", "star"];

const placeOf = (system) => Math.max(0, systems.indexOf(system));

/** Return how many systems before this one have its color. */
const roundOf = (system) => Math.floor(placeOf(system) / COLORS.length);

const colorOf = (system) => COLORS[placeOf(system) % COLORS.length];

/** Return the place of a system's shape; systems of the same color have different shapes. */
const shapeOf = (system) => (placeOf(system) + roundOf(system)) % SHAPES.length;

/** Return a label of a name, with the symbol of its system if there are several systems. */
function named(name) {
  const label = element("span", { class: "named" });
  const system = systemOf.get(name);
  if (system !== undefined && systems.length > 1) {
    const sign = element("span", { class: "sign", "aria-hidden": "true" }, SHAPES[shapeOf(system)]);
    sign.style.color = colorOf(system);
    label.append(sign);
  }
  label.append(name);
  return label;
}
