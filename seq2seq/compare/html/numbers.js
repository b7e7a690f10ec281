// Numbers under the words of the outputs: their probability, or the share of the source.

/** Scores of the words of all runs on a test set. */
class Scores {
  constructor(test) {
    this.blocks = new Blocks(`words-${test}`);
  }

  /** Return words, probabilities and shares in percent, and the places of invented words. */
  async of(run, line) {
    const [words, probability, share, invented] = await this.blocks.line(run, line);
    return { words, probability, share, invented: new Set(invented) };
  }
}

const MAYBE = "may be invented: not explained by the source, nor by the words before it";

/**
 * Put numbers under the words of a text, given as text and elements in order (see `marked`). The
 * text is returned as it is if it does not have as many words between spaces.
 */
function numbered(nodes, { words, invented }, values) {
  const groups = [[]]; // the nodes of a word, or a space
  for (const node of nodes) {
    const space = typeof node === "string" && !isWord(node);
    if (space) groups.push([node], []);
    else groups.at(-1).push(node);
  }
  const isText = (group) => group.some((node) =>
    typeof node === "string" ? isWord(node) : !node.classList.contains("gap"));
  if (!values || groups.filter(isText).length !== words.length) return nodes;
  let place = 0;
  return groups.flatMap((group) => {
    if (!isText(group)) return group;
    const value = values[place];
    const maybe = invented.has(place);
    place += 1;
    const number = element(
      "small", { "aria-hidden": "true" }, value === null ? "\u00b7" : `${value}${maybe ? " ?" : ""}`,
    );
    const word = element(
      "span", { class: maybe ? "numbered invented" : "numbered", title: maybe ? MAYBE : null },
      element("span", {}, ...group), number,
    );
    word.style.setProperty("--level", `${value ?? 0}%`);
    return [word];
  });
}

/** Create a table of the numbers of one output. */
function numberTable(name, { words, probability, share, invented }) {
  const head = ["word", "probability, %", ...(share ? ["share of the source, %", "remark"] : [])];
  const rows = words.map((word, place) => [
    element("bdi", {}, word), String(probability[place]),
    ...(share ? [String(share[place] ?? "\u2013"), invented.has(place) ? "may be invented" : ""] : []),
  ]);
  return table(name, head, rows, "numbers");
}
