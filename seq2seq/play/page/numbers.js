// One attention step by step, in the numbers of the model, for one token, layer and head.

const FORMULAS = {
  scaled_dot_product: ["score = query · key / √width", "Scaled dot product (Vaswani et al. 2017)"],
  dot_product: ["score = query · key", "Dot product (Luong et al. 2015)"],
  additive: ["score = v · tanh(query + key)", "Additive (Bahdanau et al. 2014)"],
};
const SHOWN = 8; // numbers of a vector in a table

const fixed = (number, digits = 3) =>
  (number < 0 ? "\u2212" : "") + Math.abs(number).toFixed(digits);

/** Draw a vector as a strip of cells: blue is positive, red negative. */
function strip(vector) {
  const largest = Math.max(...vector.map(Math.abs), 1e-9);
  const canvas = element("canvas", {
    class: "strip",
    width: vector.length * 3,
    height: 14,
    "aria-hidden": "true",
  });
  const context = canvas.getContext("2d");
  vector.forEach((value, place) => {
    context.fillStyle = `rgb(${inkOf(value, true)} / ${Math.abs(value) / largest})`;
    context.fillRect(place * 3, 0, 3, 14);
  });
  return canvas;
}

/** Return the terms whose sum is the score of a key, with the numbers that make them. */
function terms({ kind, query, energy }, key) {
  return query.map((q, place) => {
    if (kind === "additive") {
      const inner = Math.tanh(q + key[place]);
      return [q, key[place], inner, energy[place], inner * energy[place]];
    }
    return [q, key[place], q * key[place]];
  });
}

const sum = (numbers) => numbers.reduce((total, one) => total + one, 0);

function scoreTable(found, pick) {
  const { kind, keys, scores, weights, source, query } = found;
  const width = Math.sqrt(query.length);
  const scaledKind = kind === "scaled_dot_product";
  const head = ["source", "key", scaledKind ? "query · key" : "", "score", "e^score / sum", ""];
  if (!scaledKind) head.splice(2, 1);
  const rows = source.map((piece, place) => {
    const button = element(
      "button",
      { type: "button", class: "piece", dir: "auto" },
      pieceText(piece),
    );
    button.addEventListener("click", () => pick(place));
    const products = sum(terms(found, keys[place]).map((term) => term.at(-1)));
    const bar = element("span", { class: "bar", "aria-hidden": "true" });
    bar.style.setProperty("--share", weights[place]);
    const cells = [
      strip(keys[place]),
      fixed(products),
      fixed(scaledKind ? products / width : scores[place]),
      fixed(weights[place]),
      bar,
    ];
    if (!scaledKind) cells.splice(1, 1);
    return [
      button,
      ...cells.map((cell) => (typeof cell === "string" ? cell : element("td", {}, cell))),
    ];
  });
  const drawn = table("Scores and weights", head, rows, "numbers steps");
  const total = fixed(sum(weights));
  drawn.append(
    element(
      "p",
      { class: "note" },
      `The weights add up to ${total}. Choose a source piece to see the terms of its score.`,
    ),
  );
  return drawn;
}

function termTable(found, place) {
  const additive = found.kind === "additive";
  const head = additive
    ? ["", "query", "key", "tanh(query + key)", "v", "product"]
    : ["", "query", "key", "product"];
  const parts = terms(found, found.keys[place]);
  const rows = parts.map((term, dimension) => [
    String(dimension + 1),
    ...term.map((value) => fixed(value)),
  ]);
  const total = sum(parts.map((term) => term.at(-1)));
  const score = found.scores[place];
  const width = found.query.length;
  const divided = `Sum ${fixed(total)}, divided by √${width} = ${fixed(Math.sqrt(width))}`;
  const scaledKind = found.kind === "scaled_dot_product";
  const end = `${scaledKind ? divided : "Sum"}: ${fixed(score)}.`;
  const title = `Terms of the score of “${pieceText(found.source[place])}”`;
  return element(
    "details",
    { open: "" },
    element("summary", {}, title),
    element("div", { class: "tall" }, table(title, head, rows, "numbers")),
    element("p", {}, end),
  );
}

function sumTable({ weights, values, context, source }) {
  const shown = Math.min(SHOWN, context.length);
  const head = [
    "source",
    "weight",
    ...Array.from({ length: shown }, (_, place) => `value ${place + 1}`),
  ];
  const rows = source.map((piece, place) => [
    element("span", { dir: "auto" }, pieceText(piece)),
    fixed(weights[place]),
    ...values[place].slice(0, shown).map((value) => fixed(value)),
  ]);
  rows.push([
    element("b", {}, "weighted sum"),
    "",
    ...context.slice(0, shown).map((value) => element("td", {}, element("b", {}, fixed(value)))),
  ]);
  return table(
    `Values (${shown} of ${context.length} numbers) and their weighted sum, the context`,
    head,
    rows,
    "numbers steps",
  );
}

const numbersOf = { card: null, place: 0, layer: 1, head: 1 };
let numbersAborter = null;

function select(label, options, value, onChange) {
  const menu = element(
    "select",
    {},
    ...options.map(([key, text]) => element("option", { value: key }, text)),
  );
  menu.value = String(value);
  menu.addEventListener("change", () => onChange(menu.value));
  return element("label", {}, label, menu);
}

/** Show the numbers of a target token of a card.
 *
 * If another translation is on its way, `updateNumbers` shows those of that one.
 */
async function showNumbers(card, place, focus = true) {
  if (numbersOf.card !== card) {
    Object.assign(numbersOf, { layer: card.map?.layer || 1, head: card.map?.head || 1 });
  }
  Object.assign(numbersOf, { card, place });
  numbersAborter?.abort();
  numbersAborter = new AbortController();
  const { signal } = numbersAborter;
  const { layer, head } = numbersOf;
  const { answer } = card;
  $("#numbers").hidden = false;
  if (!card.isCurrent(answer)) return;
  const fields = { ...answer.asked, tokens: answer.tokens, place, layer, head };
  const wanted = () => !signal.aborted && card.isCurrent(answer);
  try {
    const found = await ask("numbers", fields, signal);
    if (wanted()) drawNumbers(card, found);
  } catch (problem) {
    if (wanted()) failNumbers(problem.message);
  }
  if (focus && wanted() && card.hasFocus()) $("#numbers-title").focus();
}

function failNumbers(message) {
  $("#numbers .filters").replaceChildren();
  $("#numbers .content").replaceChildren(element("p", { class: "problem" }, ended(message)));
}

/** Show the numbers of a card's new translation, if those of its last one are shown. */
function updateNumbers(card) {
  if ($("#numbers").hidden || numbersOf.card !== card) return;
  if (card.answer) showNumbers(card, Math.min(numbersOf.place, card.answer.tokens.length), false);
  else $("#numbers").hidden = true;
}

function drawNumbers(card, found) {
  const range = (size) =>
    Array.from({ length: size }, (_, place) => [String(place + 1), String(place + 1)]);
  const again = (key) => (value) => {
    numbersOf[key] = Number(value);
    showNumbers(card, numbersOf.place, false);
  };
  const pieces = card.answer.pieces.map((piece, place) => [String(place), pieceText(piece)]);
  $("#numbers-title").textContent = `One attention in numbers: ${card.run.name}`;
  $("#numbers .filters").replaceChildren(
    select("Target piece", pieces, numbersOf.place, again("place")),
    ...(found.layers > 1
      ? [select("Layer", range(found.layers), found.layer, again("layer"))]
      : []),
    ...(found.heads > 1 ? [select("Head", range(found.heads), found.head, again("head"))] : []),
  );
  const [formula, source] = FORMULAS[found.kind];
  const step = (title, ...content) =>
    element("div", { class: "step" }, element("h3", {}, title), ...content);
  const queryRows = found.query.map((value, place) => [String(place + 1), fixed(value)]);
  const query = element(
    "details",
    {},
    element("summary", {}, `All ${found.query.length} numbers`),
    element("div", { class: "tall" }, table("Query", ["", "query"], queryRows, "numbers")),
  );
  const detail = element("div", {});
  const pick = (place) => detail.replaceChildren(termTable(found, place));
  pick(found.weights.indexOf(Math.max(...found.weights)));
  const first = found.query
    .slice(0, SHOWN)
    .map((value) => fixed(value))
    .join("  ");
  const [before, predicts] = [found.before, found.predicts].map(pieceText);
  const words = `It has read “${before}” and predicts “${predicts}”.`;
  const of = `layer ${found.layer} of ${found.layers}, head ${found.head} of ${found.heads}`;
  $("#numbers .content").replaceChildren(
    element("p", {}, words, " ", element("code", {}, formula), ` — ${source}; ${of}.`),
    step(
      "1. Query",
      element("p", {}, strip(found.query), " ", element("code", {}, `${first} …`)),
      query,
    ),
    step(
      "2. Scores and softmax",
      element("div", { class: "tables" }, scoreTable(found, pick), detail),
    ),
    step(
      "3. Weighted sum of the values",
      sumTable(found),
      element("p", {}, "Context ", strip(found.context)),
    ),
  );
}
