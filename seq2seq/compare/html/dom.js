// Elements, the report's data, and what every part of the page says of a run or a system.

const $ = (selector) => document.querySelector(selector);

/** An element; children are elements or text, never markup. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null) made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

const stored = (id) => JSON.parse(document.getElementById(id).textContent);

/** The text that was packed as compressed bytes in base64. */
async function unpack(packed) {
  const bytes = Uint8Array.from(atob(packed), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).text();
}

const report = stored("report");
const systems = report.systems.map((system) => system.name);
const systemOf = new Map(report.runs.map((run) => [run.name, run.system]));
for (const name of systems) systemOf.set(name, name);

// Okabe and Ito's colours, told apart by the colour-blind; shapes tell them apart in grey.
const COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"];
const SHAPES = ["●", "■", "▲", "◆", "✚", "★"];
const SYMBOLS = ["circle", "square", "triangle-up", "diamond", "cross", "star"];

const place = (system) => Math.max(0, systems.indexOf(system)) % COLOURS.length;

/** A name, behind the sign of its system where it has one. */
function named(name) {
  const label = element("span", { class: "named" });
  const system = systemOf.get(name);
  if (system !== undefined && systems.length > 1) {
    const sign = element("span", { class: "sign", "aria-hidden": "true" }, SHAPES[place(system)]);
    sign.style.color = COLOURS[place(system)];
    label.append(sign);
  }
  label.append(name);
  return label;
}

const count = (number, what) => `${number.toLocaleString("en")} ${what}${number === 1 ? "" : "s"}`;
