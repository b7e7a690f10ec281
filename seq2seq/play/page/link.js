// The state of the page in its address. It has no token, so that a link can be shared.

const state = {
  text: "",
  given: null, // the sentence with reference and gold links, if it is an example
  seed: null, // of a sentence of the grammar
  clauses: 1,
  words: null, // the source words if they were edited: [text, hidden]
  hide: "drop",
  beam: null,
  rows: "own",
  example: null, // [test, number]
};

/** Write the state, and that of each run by its name, into the address. */
function saveState() {
  const { text, seed, clauses, words, hide, beam, rows, example } = state;
  const kept = { text, seed, clauses, words, hide, beam, rows, example };
  kept.runs = Object.fromEntries(cards.map((card) => [card.run.name, card.choices]));
  history.replaceState(null, "", `#state=${encodeURIComponent(JSON.stringify(kept))}`);
}

const whole = (value) => (Number.isSafeInteger(value) && value >= 0 ? value : null);
const listed = (value) => (Array.isArray(value) ? value : []);

/** Read the state of a link; what has another form is ignored, and the server checks the rest. */
function readState() {
  let kept;
  try {
    kept = JSON.parse(new URLSearchParams(location.hash.slice(1)).get("state")) ?? {};
  } catch {
    kept = {};
  }
  if (typeof kept !== "object") kept = {};
  state.text = typeof kept.text === "string" ? kept.text : "";
  state.seed = whole(kept.seed);
  state.clauses = whole(kept.clauses) || 1;
  state.beam = whole(kept.beam) || null;
  state.hide = ["drop", "mean", "unk"].includes(kept.hide) ? kept.hide : "drop";
  state.rows = kept.rows === "reference" ? "reference" : "own";
  state.example = Array.isArray(kept.example) ? kept.example : null;
  const words = listed(kept.words).filter(
    (word) => Array.isArray(word) && typeof word[0] === "string",
  );
  state.words = words.length ? words.map(([text, hidden]) => [text, hidden === true]) : null;
  const runs = typeof kept.runs === "object" && kept.runs !== null ? kept.runs : {};
  for (const card of cards)
    card.restore(Object.hasOwn(runs, card.run.name) ? runs[card.run.name] : {});
}

/** Copy the link, or show it where the browser does not allow that. */
async function share() {
  saveState();
  const field = $("#link input");
  field.value = location.href;
  try {
    await navigator.clipboard.writeText(location.href);
    say("The link is copied.");
    $("#share").textContent = "Copied";
    setTimeout(() => {
      $("#share").textContent = "Copy link";
    }, 1500);
  } catch {
    $("#link").hidden = false;
    field.select();
  }
}
