// The source words: hide, replace and move them.

let chosen = null; // the number of the chosen word

const sourceWords = () => state.words ?? splitWords(state.text).map((text) => [text, false]);
const splitWords = (text) => text.trim().split(/\s+/).filter(Boolean);
const edited = () => state.words !== null;

/** The sentence to translate, and the hidden words of it that are not left out. */
function askedSentence() {
  const words = sourceWords();
  if (state.hide === "drop") {
    return {
      text: words
        .filter(([, hidden]) => !hidden)
        .map(([text]) => text)
        .join(" "),
      hidden: [],
    };
  }
  const hidden = words.flatMap(([, out], place) => (out ? [place] : []));
  return { text: words.map(([text]) => text).join(" "), hidden, hide: state.hide };
}

function drawSource() {
  const words = sourceWords();
  if (chosen !== null && chosen >= words.length) chosen = null;
  $("#source").hidden = !words.length;
  const had =
    document.activeElement?.closest?.("#chips") !== null && document.activeElement !== null;
  $("#chips").replaceChildren(
    ...words.map(([text, hidden], place) => {
      const chip = element(
        "button",
        {
          type: "button",
          class: hidden ? "chip out" : "chip",
          dir: "auto",
          "aria-pressed": String(place === chosen),
          tabindex: place === (chosen ?? 0) ? "0" : "-1",
          "aria-label": hidden ? `${text}, hidden` : null,
        },
        text,
      );
      chip.addEventListener("click", () => choose(place === chosen ? null : place));
      chip.addEventListener("keydown", (event) => chipKey(event, place));
      return chip;
    }),
  );
  if (had) $("#chips").children[chosen ?? 0]?.focus();
  $("#edit").hidden = chosen === null && !edited();
  for (const id of ["#hide", "#left", "#right", "#replace"]) $(id).disabled = chosen === null;
  if (chosen !== null) {
    $("#hide").textContent = words[chosen][1] ? "Show" : "Hide";
    $("#replace").value = words[chosen][0];
  }
  $("#how").value = state.hide;
  $("#restore").disabled = !edited();
}

function choose(place) {
  chosen = place;
  drawSource();
}

function chipKey(event, place) {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const size = sourceWords().length;
  if (step && event.altKey) {
    event.preventDefault();
    chosen = place;
    move(step);
  } else if (step) {
    event.preventDefault();
    choose(Math.min(Math.max(place + step, 0), size - 1));
    $("#chips").children[chosen].focus();
  } else if (event.key === "Delete" || event.key === "Backspace") {
    event.preventDefault();
    chosen = place;
    toggleHidden();
  } else if (event.key === "Escape") choose(null);
}

/** Change the words; equal words to those of the sentence are no edit. */
function edit(words) {
  const same =
    words.every(([, hidden]) => !hidden) &&
    words.map(([text]) => text).join(" ") === splitWords(state.text).join(" ");
  state.words = same ? null : words;
  drawSource();
  changed({ prefixes: true });
}

function toggleHidden() {
  const words = sourceWords().map((word) => [...word]);
  const left = words.filter(([, hidden]) => !hidden).length;
  if (left === 1 && !words[chosen][1] && state.hide === "drop") {
    showError("The last word cannot be left out.");
    return;
  }
  words[chosen][1] = !words[chosen][1];
  edit(words);
}

function move(step) {
  const words = sourceWords().map((word) => [...word]);
  const to = chosen + step;
  if (to < 0 || to >= words.length) return;
  [words[chosen], words[to]] = [words[to], words[chosen]];
  chosen = to;
  edit(words);
}

function replaceWord() {
  const words = sourceWords().map((word) => [...word]);
  const text = splitWords($("#replace").value).join(" ");
  if (!text || text === words[chosen][0]) return;
  words.splice(chosen, 1, ...splitWords(text).map((word) => [word, false]));
  edit(words);
}

function startSource() {
  $("#hide").addEventListener("click", toggleHidden);
  $("#left").addEventListener("click", () => move(-1));
  $("#right").addEventListener("click", () => move(1));
  $("#replace").addEventListener("change", replaceWord);
  $("#how").addEventListener("change", () => {
    state.hide = $("#how").value;
    changed({ prefixes: true });
  });
  $("#restore").addEventListener("click", () => {
    chosen = null;
    edit(splitWords(state.text).map((text) => [text, false]));
  });
}
