// Word segmentation, and marking the words that differ between two texts.

const segmenter = new Intl.Segmenter(undefined, { granularity: "word" });

/** Split a text into words, punctuation and spaces, in order. */
const pieces = (text) => [...segmenter.segment(text)].map((piece) => piece.segment);

const isWord = (piece) => piece.trim() !== "";

/** Find the words of `ours` in the longest common subsequence, and the words missing from it. */
function common(ours, theirs) {
  const width = theirs.length + 1;
  const lengths = new Uint32Array((ours.length + 1) * width);
  for (let i = ours.length - 1; i >= 0; i--) {
    for (let j = theirs.length - 1; j >= 0; j--) {
      lengths[i * width + j] = ours[i] === theirs[j]
        ? lengths[(i + 1) * width + j + 1] + 1
        : Math.max(lengths[(i + 1) * width + j], lengths[i * width + j + 1]);
    }
  }
  const kept = new Set();
  const missing = new Map(); // position in ours -> words of theirs missing there
  for (let i = 0, j = 0; i < ours.length || j < theirs.length;) {
    if (i < ours.length && j < theirs.length && ours[i] === theirs[j]) {
      kept.add(i++);
      j++;
    } else if (j === theirs.length
      || (i < ours.length && lengths[(i + 1) * width + j] >= lengths[i * width + j + 1])) {
      i++;
    } else {
      missing.set(i, [...(missing.get(i) ?? []), theirs[j++]]);
    }
  }
  return { kept, missing };
}

/** Mark the words of a text that differ from another text, and the gaps where words are missing. */
function marked(text, other) {
  const all = pieces(text);
  const words = all.filter(isWord);
  const { kept, missing } = common(words, pieces(other).filter(isWord));
  const gap = (place) => {
    const here = missing.get(place);
    // No gap next to a marked word: it already shows the difference.
    const marks = [place - 1, place].some((near) => words[near] !== undefined && !kept.has(near));
    if (!here || marks) return [];
    const text = `missing: ${here.join(" ")}`;
    // A title is for the mouse only; the hidden text is for screen readers.
    const hidden = element("span", { class: "hidden" }, text);
    return [element("span", { class: "gap", title: text }, "‸", hidden)];
  };
  let place = 0;
  const shown = all.flatMap((piece) => {
    if (!isWord(piece)) return [piece];
    return [...gap(place), kept.has(place++) ? piece : element("mark", {}, piece)];
  });
  return [...shown, ...gap(words.length)];
}
