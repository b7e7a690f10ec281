// The page: the sentence, the examples, the grammar, and the start.

let page = null; // what the server said at the start
let typing = null; // the timer of a pause in typing

/** Translate anew after a change. */
function changed({ prefixes = false } = {}) {
  if (prefixes) for (const card of cards) delete card.choices.prefix;
  saveState();
  showError("");
  return translateAll();
}

const size = (number) => number.toLocaleString("en");

async function translateAll() {
  if (!askedSentence().text) return;
  if (askedSentence().text.length > page.characters) {
    showError(
      `The sentence has ${size(askedSentence().text.length)} characters, but at most ` +
        `${size(page.characters)} are accepted: shorten it.`,
    );
    return;
  }
  try {
    const done = await Promise.all(cards.map((card) => card.refresh()));
    if (done.every(Boolean)) say(`${count(cards.length, "run")} translated.`);
  } catch (problem) {
    needToken(problem);
  }
}

/** Set the sentence: typed, or an example with its reference and gold links. */
function setSentence(text, given = null) {
  state.text = text;
  state.given = given;
  state.words = null;
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
  $("#beam").value = state.beam ?? "";
  $("#clauses").value = state.seed === null ? 1 : state.clauses;
  $(".slider output").textContent = $("#clauses").value;
  drawSource();
}

function typed() {
  clearTimeout(typing);
  typing = setTimeout(() => {
    const text = $("#text").value;
    if (text === state.text) return;
    forgetExample();
    setSentence(text);
    changed({ prefixes: true });
  }, 250);
}

function forgetExample() {
  state.seed = null;
  state.example = null;
  $("#examples").value = "";
}

async function grow(seed, clauses, keep = false) {
  try {
    const found = await ask("grammar", { seed, clauses });
    Object.assign(state, { seed, clauses, example: null });
    $("#examples").value = "";
    const words = keep ? state.words : null;
    setSentence(found.text, found);
    state.words = words;
    drawSource();
    await changed({ prefixes: !keep });
  } catch (problem) {
    showError(problem.message);
  }
}

function takeExample(test, number, keep = false) {
  const found = page.examples.find((one) => one.test === test)?.sentences[number];
  if (!found) return false;
  Object.assign(state, { seed: null, example: [test, number] });
  const words = keep ? state.words : null;
  setSentence(found.text, found);
  state.words = words;
  drawSource();
  changed({ prefixes: !keep });
  return true;
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
function open() {
  readState();
  if (state.example && takeExample(state.example[0], state.example[1], true)) {
    $("#examples").value = JSON.stringify(state.example);
    return undefined;
  }
  if (state.seed !== null && page.grammar) return grow(state.seed, state.clauses, true);
  const { words } = state;
  if (!state.text) {
    if (page.examples.length) takeExample(page.examples[0].test, 0);
    return undefined;
  }
  setSentence(state.text);
  state.words = words;
  drawSource();
  return changed();
}

async function start() {
  startTheme();
  takeToken();
  try {
    page = await ask("start", {});
  } catch (problem) {
    $("#subtitle").textContent = "";
    needToken(problem);
    return;
  }
  const languages = page.source && page.target ? `${page.source} → ${page.target}, ` : "";
  $("#subtitle").textContent = `${languages}${count(page.runs.length, "run")}`;
  cards.push(...page.runs.map((run, number) => new Card(run, number)));
  $("#runs").append(...cards.map((card) => card.node));
  $("#ask").hidden = false;
  $("#enter").hidden = true;
  $("#grammar").hidden = !page.grammar;
  $("#clauses").max = page.clauses;
  $("#beam").max = page.beam;
  $("#beam").disabled = page.runs.every((run) => run.beam === null);
  for (const option of $("#how").options)
    option.hidden = !page.runs.every((run) => run.hides.includes(option.value));
  drawExamples();
  startSource();
  $("#ask").addEventListener("submit", (event) => {
    event.preventDefault();
    forgetIfTyped();
  });
  $("#text").addEventListener("input", typed);
  $("#rows").addEventListener("change", () => {
    state.rows = $("#rows").value;
    changed();
  });
  $("#beam").addEventListener("change", () => {
    const beam = Number($("#beam").value);
    state.beam = Number.isInteger(beam) && beam >= 1 ? Math.min(beam, page.beam) : null;
    drawSentence();
    changed();
  });
  $("#examples").addEventListener("change", () => {
    if ($("#examples").value) takeExample(...JSON.parse($("#examples").value));
  });
  $("#random").addEventListener("click", () =>
    grow(Math.floor(Math.random() * 2 ** 31), state.seed === null ? 1 : state.clauses),
  );
  let slide = null;
  $("#clauses").addEventListener("input", () => {
    $(".slider output").textContent = $("#clauses").value;
    clearTimeout(slide);
    const clauses = Number($("#clauses").value);
    slide = setTimeout(() => grow(state.seed ?? 1, clauses), 150);
  });
  $("#share").addEventListener("click", share);
  window.addEventListener("hashchange", () => {
    takeToken();
    open();
  });
  open();
}

function forgetIfTyped() {
  clearTimeout(typing);
  if (!splitWords($("#text").value).length) {
    showError("The sentence is empty: type one, or take an example.");
    return;
  }
  if ($("#text").value !== state.text) {
    forgetExample();
    setSentence($("#text").value);
  }
  changed({ prefixes: true });
}

$("#enter").addEventListener("submit", (event) => {
  event.preventDefault();
  localStorage.setItem(STORED, $("#token").value.trim());
  showError("");
  start();
});
start();
