// What lights when the user points at a word: the same word of all runs, and its source words.

/** Light a row of a run's heatmap; null removes the light. With `cell`, describe the cell. */
function light(card, row, column, cell = false) {
  const { heatmap, map } = card;
  if (!heatmap) return;
  const inside = row !== null && row < map.target.length ? row : null;
  heatmap.highlight(inside, column !== null && column < map.source.length ? column : null);
  heatmap.readout.textContent = heatmap.describe(inside, cell || inside === null ? column : null);
  const weights = inside === null ? null : heatmap.weightsOf(inside);
  [...card.strip.querySelectorAll("span")].forEach((word, place) => {
    const weight = weights ? weights[place] / 255 : 0;
    word.style.backgroundColor = weight
      ? `rgb(${inkOf(weight, true)} / ${Math.min(0.65, 0.65 * Math.abs(weight))})`
      : "";
  });
  const lit = inside === null ? null : wordRows(card).indexOf(inside);
  [...card.words.querySelectorAll(".target-word")].forEach((word, place) =>
    word.classList.toggle("lit", place === lit),
  );
}

/** Return the row of each word of the translation and of its end; those without a row have null.
 *
 * The rows are the same words, or the tokens of a gold alignment, or words of the reference.
 */
function wordRows(card) {
  const {
    map: { target },
    answer: { words },
  } = card;
  const ended = target.at(-1) === "</s>";
  const rows = ended ? target.slice(0, -1) : target;
  const end = ended ? target.length - 1 : null;
  if (rows.join("") !== words.join("")) {
    const last = Math.max(1, words.length - 1);
    return [...words.map((word, place) => rowOf(card, word, place / last)), end];
  }
  let [row, from] = [0, 0]; // the characters before the row
  let start = 0;
  const found = words.map((word) => {
    while (from + rows[row].length <= start) from += rows[row++].length;
    start += word.length;
    return row;
  });
  return [...found, end];
}

function rowOfWord(card, place) {
  return card.map ? wordRows(card)[place] : null;
}

/** Find the row of a word that is nearest to a place, from 0 to 1. */
function rowOf(card, word, place) {
  const plain = (text) => text.toLowerCase().replace(/(?<=\p{L})\p{P}+$/u, "");
  const found = card.map.target.flatMap((own, row) => (plain(own) === plain(word) ? [row] : []));
  const distance = (row) => Math.abs(row / Math.max(1, card.map.target.length - 1) - place);
  return found.sort((one, other) => distance(one) - distance(other))[0] ?? null;
}

/** Light a target word of one run, and the same word of the others. */
function point(origin, row, column = null) {
  for (const card of cards) {
    if (!card.map) continue;
    if (card === origin) {
      light(card, row, column, true);
    } else if (!origin?.map) {
      light(card, null, null);
    } else {
      const word = row === null ? null : origin.map.target[row];
      const place = row / Math.max(1, origin.map.target.length - 1);
      const same = card.map.source.join(" ") === origin.map.source.join(" ");
      light(
        card,
        word === null || word === undefined ? null : rowOf(card, word, place),
        same ? column : null,
      );
    }
  }
  if (origin?.heatmap && row !== null && row < origin.map.target.length)
    say(`${origin.run.name}: ${origin.heatmap.describe(row, column)}`);
}
