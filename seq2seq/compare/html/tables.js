// Tables: summaries, matrices of pairwise comparisons, configuration and provenance.

/** Put signs before the names of systems or runs in the first column. */
const withSigns = (rows) => rows.map(([name, ...cells]) => [named(name), ...cells]);

/** Put signs before the names of systems or runs in a head; they begin at a column. */
const headWithSigns = (head, begin) =>
  [...head.slice(0, begin), ...head.slice(begin).map(named)];

/** Create a table of numbers as text, with a note. */
function withNote({ title, head, rows, note }) {
  const drawn = table(title, head, rows, "numbers");
  if (note) drawn.append(element("p", { class: "note" }, note));
  return drawn;
}

/** Create a summary table: the name of a system or run in the first column. */
const summary = (data) => withNote({ ...data, rows: withSigns(data.rows) });

/** Create a collapsed table of words: their count in the references, then a column per system. */
function folded(data) {
  const drawn = withNote({ ...data, head: headWithSigns(data.head, 2) });
  return element("details", {}, element("summary", {}, data.title), drawn);
}

const pValue = (p) => (p < 0.001 ? "p < 0.001" : `p = ${p.toFixed(3)}`);
const signed = (number) => ["\u2212", "", "+"][Math.sign(number) + 1] + Math.abs(number).toFixed(2);

const SIGNS = { row: ["wins", "▲"], column: ["loses", "▼"] };

/** Create the matrix of all pairs of systems: the row minus the column. */
function matrix({ title, names, cells }) {
  const rows = names.map((name, row) => [
    named(name),
    ...cells[row].map((cell) => {
      if (!cell) return element("td", { class: "self" }, "");
      const [className, sign] = SIGNS[cell.winner] ?? ["even", "≈"];
      return element(
        "td",
        { class: className, title: `${pValue(cell.p)} uncorrected` },
        element("b", {}, signed(cell.difference)),
        element("small", {}, `${sign} ${pValue(cell.corrected)}`),
      );
    }),
  ]);
  return table(title, ["", ...names.map(named)], rows, "matrix");
}

/** Create a table of the settings that differ, and a collapsed one of those that are the same. */
function configuration({ same, different }) {
  const shown = [];
  if (different.rows.length) {
    const head = headWithSigns(different.head, 1);
    shown.push(table("Settings that differ", head, different.rows));
  }
  const rows = Object.entries(same).map(([key, value]) =>
    [key, typeof value === "string" ? value : JSON.stringify(value)]);
  if (rows.length) {
    const title = "Same for all runs";
    const all = table(title, ["setting", "value"], rows);
    shown.push(element("details", {}, element("summary", {}, title), all));
  }
  return shown;
}
