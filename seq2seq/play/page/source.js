// The source words: hide, replace and move them.

let chosen = null; // the number of the chosen word
let pressed = null; // the chip that was chosen when the pointer went down on it

// The blocks of Unicode for scripts from right to left: Hebrew, Arabic, Syriac, N'Ko, Adlam, ...
const RIGHT_TO_LEFT =
  /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;

/** Return the direction of a text: that of its first letter. */
const direction = (text) => (RIGHT_TO_LEFT.test(text.match(/\p{L}/u)?.[0] ?? "") ? "rtl" : "ltr");

/** Return how many words an arrow key moves in a row of words. */
const arrowSteps = (row) =>
  row.dir === "rtl" ? { ArrowLeft: 1, ArrowRight: -1 } : { ArrowLeft: -1, ArrowRight: 1 };

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

/** Draw the source words. A chip stays the same element, so that it can be changed under a press. */
function drawSource() {
  const words = sourceWords();
  if (chosen !== null && chosen >= words.length) chosen = null;
  $("#source").hidden = !words.length;
  const row = $("#chips");
  const had = row.contains(document.activeElement);
  row.dir = direction(words.map(([text]) => text).join(" "));
  while (row.children.length > words.length) row.lastElementChild.remove();
  while (row.children.length < words.length) row.append(newChip());
  words.forEach((word, place) => drawChip(row.children[place], word, place));
  if (had) row.children[chosen ?? 0]?.focus();
  drawEdit(words);
}

const newChip = () => element("button", { type: "button", class: "chip", dir: "auto" });
const placeOf = (chip) => [...$("#chips").children].indexOf(chip);

function drawChip(chip, [text, hidden], place) {
  chip.textContent = text;
  chip.classList.toggle("out", hidden);
  chip.setAttribute("aria-pressed", place === chosen);
  chip.tabIndex = place === (chosen ?? 0) ? 0 : -1;
  if (hidden) chip.setAttribute("aria-label", `${text}, hidden`);
  else chip.removeAttribute("aria-label");
}

/** Draw what changes the chosen word. */
function drawEdit(words) {
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

/** Choose a chip at once if a replacement has been typed.
 *
 * The replacement moves the chips as soon as its field loses the focus, so that the pointer may go
 * up on another chip, and there would be no click.
 */
function pressChip(event) {
  pressed = null;
  const chip = event.target.closest(".chip");
  if (!chip || document.activeElement !== $("#replace") || !replaceWord()) return;
  pressed = chip;
  choose(placeOf(chip));
}

function clickChip(event) {
  const chip = event.target.closest(".chip");
  if (!chip) return;
  const again = placeOf(chip) === chosen && chip !== pressed;
  pressed = null;
  choose(again ? null : placeOf(chip));
}

function chipKey(event) {
  const place = placeOf(event.target.closest(".chip"));
  if (place < 0) return;
  const step = arrowSteps($("#chips"))[event.key];
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

/** Replace the chosen word with what is typed; return whether that is another word. */
function replaceWord() {
  const words = sourceWords().map((word) => [...word]);
  const typedWords = splitWords($("#replace").value);
  if (!typedWords.length || typedWords.join(" ") === words[chosen][0]) return false;
  words.splice(chosen, 1, ...typedWords.map((word) => [word, false]));
  // The chips of the words after it stay those of these words.
  $("#chips").children[chosen].after(...typedWords.slice(1).map(newChip));
  edit(words);
  return true;
}

function startSource() {
  $("#hide").addEventListener("click", toggleHidden);
  $("#chips").addEventListener("pointerdown", pressChip);
  $("#chips").addEventListener("click", clickChip);
  $("#chips").addEventListener("keydown", chipKey);
  $("#left").addEventListener("click", () => move(arrowSteps($("#chips")).ArrowLeft));
  $("#right").addEventListener("click", () => move(arrowSteps($("#chips")).ArrowRight));
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
