// The page: the sentence, the examples, the grammar, and the start.

let page = null; // what the server said at the start
let turn = 0; // increases with each new sentence; answers to earlier turns are dropped
let pause = null; // the timer of a pause in typing or in moving the slider

/** Begin a turn: what was typed, moved or asked for before has no effect any more. */
function nextTurn() {
  clearTimeout(pause);
  turn += 1;
  return turn;
}

/** Translate again after a change. */
function changed({ prefixes = false } = {}) {
  if (prefixes) for (const card of cards) delete card.choices.prefix;
  saveState();
  showError("");
  return translateAll();
}

const size = (number) => number.toLocaleString("en");

/** Return why a sentence cannot be translated, or an empty text. */
function refusal(text) {
  if (!sourceWords().length) return "The sentence is empty: type one, or take an example.";
  if (!text) return "All words are left out: show one of them.";
  if (text.length <= page.characters) return "";
  return (
    `The sentence has ${size(text.length)} characters, but at most ` +
    `${size(page.characters)} are accepted: shorten it.`
  );
}

async function translateAll() {
  const refused = refusal(askedSentence().text);
  if (refused) {
    for (const card of cards) card.clear(); // their translations are of another sentence
    showError(refused);
    return;
  }
  try {
    const done = await Promise.all(cards.map((card) => card.refresh()));
    if (done.every(Boolean)) say(`${count(cards.length, "run")} translated.`);
  } catch (problem) {
    needToken(problem);
  }
}

/** Set the sentence: typed, or an example with its reference and gold links; and its edit. */
function setSentence(text, given = null, words = null) {
  nextTurn();
  Object.assign(state, { text, given, words });
  chosen = null;
  for (const card of cards) card.base = null;
  drawSentence();
}

function drawSentence() {
  if ($("#text").value !== state.text) $("#text").value = state.text;
  $("#reference").hidden = !state.given;
  $("#reference b").textContent = state.given?.reference ?? "";
  $("#rows").disabled = !state.given?.gold;
  $("#rows").value = state.rows;
  $("#examples").value = state.example ? JSON.stringify(state.example) : "";
  drawBeam();
  drawClauses();
  drawSource();
}

function drawBeam() {
  $("#beam").value = state.beam ?? "";
}

/** Draw the slider, which only a sentence of the grammar has: it would replace any other one. */
function drawClauses() {
  $("#clauses").disabled = state.seed === null || $("#text").value !== state.text;
  $("#clauses").value = state.seed === null ? 1 : state.clauses;
  $(".slider output").textContent = $("#clauses").value;
}

function typed() {
  nextTurn();
  drawClauses();
  pause = setTimeout(() => {
    if ($("#text").value !== state.text) takeTyped();
  }, 250);
}

function takeTyped() {
  Object.assign(state, { seed: null, example: null });
  setSentence($("#text").value);
  changed({ prefixes: true });
}

function submitted() {
  nextTurn();
  if ($("#text").value !== state.text) takeTyped();
  else changed({ prefixes: true });
}

/** Take a sentence of the grammar. */
async function grow(seed, clauses) {
  const mine = nextTurn();
  try {
    const found = await ask("grammar", { seed, clauses });
    if (turn !== mine) return;
    Object.assign(state, { seed, clauses, example: null });
    setSentence(found.text, found);
    await changed({ prefixes: true });
  } catch (problem) {
    if (turn !== mine) return;
    drawClauses();
    needToken(problem);
  }
}

function slid() {
  nextTurn();
  const clauses = Number($("#clauses").value);
  $(".slider output").textContent = clauses;
  pause = setTimeout(() => grow(state.seed, clauses), 150);
}

const exampleAt = (test, number) =>
  page.examples.find((one) => one.test === test)?.sentences[number] ?? null;

function takeExample(test, number) {
  const found = exampleAt(test, number);
  Object.assign(state, { seed: null, example: [test, number] });
  setSentence(found.text, found);
  changed({ prefixes: true });
}

function drawExamples() {
  $("#examples").append(
    ...page.examples.map(({ test, sentences }) =>
      element(
        "optgroup",
        { label: test },
        ...sentences.map(({ text }, number) =>
          element("option", { value: JSON.stringify([test, number]) }, text),
        ),
      ),
    ),
  );
}

function needToken(problem) {
  showError(problem.message);
  $("#enter").hidden = problem.status !== 401;
}

/** Show the state of the address. */
async function open() {
  const mine = nextTurn();
  readState();
  if (!state.text) {
    showFirst();
    return;
  }
  const { text, words } = state;
  const found = await savedExample();
  if (turn !== mine) return;
  // Other runs may have other examples, and another version another grammar.
  const same = found?.text === text;
  if (!same) Object.assign(state, { seed: null, example: null });
  setSentence(text, same ? found : null, words);
  await changed();
}

function showFirst() {
  if (page.examples.length) {
    takeExample(page.examples[0].test, 0);
    return;
  }
  Object.assign(state, { seed: null, example: null });
  setSentence("");
  for (const card of cards) card.clear();
}

/** Return the example or the sentence of the grammar that a link names; null if there is none. */
async function savedExample() {
  if (state.example) return exampleAt(...state.example);
  if (state.seed === null || !page.grammar) return null;
  try {
    return await ask("grammar", { seed: state.seed, clauses: state.clauses });
  } catch {
    return null; // the text of the link is translated, which reports what is wrong
  }
}

/** Draw what is the same for all sentences. */
function drawPage() {
  const languages = page.source && page.target ? `${page.source} → ${page.target}, ` : "";
  $("#subtitle").textContent = `${languages}${count(page.runs.length, "run")}`;
  cards.push(...page.runs.map((run, number) => new Card(run, number)));
  $("#runs").append(...cards.map((card) => card.node));
  $("#ask").hidden = false;
  $("#grammar").hidden = !page.grammar;
  $("#clauses").max = page.clauses;
  $("#beam").max = page.beam;
  $("#beam").disabled = page.runs.every((run) => run.beam === null);
  for (const option of $("#how").options)
    option.hidden = !page.runs.every((run) => run.hides.includes(option.value));
  drawExamples();
}

function listen() {
  $("#ask").addEventListener("submit", (event) => {
    event.preventDefault();
    submitted();
  });
  $("#text").addEventListener("input", typed);
  $("#rows").addEventListener("change", () => {
    state.rows = $("#rows").value;
    changed();
  });
  $("#beam").addEventListener("change", () => {
    const beam = Number($("#beam").value);
    state.beam = Number.isInteger(beam) && beam >= 1 ? Math.min(beam, page.beam) : null;
    drawBeam();
    changed();
  });
  $("#examples").addEventListener("change", () => {
    if ($("#examples").value) takeExample(...JSON.parse($("#examples").value));
  });
  $("#random").addEventListener("click", () =>
    grow(Math.floor(Math.random() * 2 ** 31), state.seed === null ? 1 : state.clauses),
  );
  $("#clauses").addEventListener("input", slid);
  $("#share").addEventListener("click", share);
}

async function start() {
  startTheme();
  try {
    page = await ask("start", {});
  } catch (problem) {
    $("#subtitle").textContent = "";
    needToken(problem);
    return;
  }
  drawPage();
  startSource();
  listen();
  open();
}

// A new token is that of another program, which may have other runs: the page starts again.
$("#enter").addEventListener("submit", (event) => {
  event.preventDefault();
  localStorage.setItem(STORED, $("#token").value.trim());
  location.reload();
});
window.addEventListener("hashchange", () => {
  if (takeToken()) location.reload();
  else if (page) open();
});
start();
