// Tables: summaries, matrices of who beats whom, configuration and provenance.

/** A table that scrolls by itself where the page is too narrow for it. */
function table(title, head, rows, className = "") {
  const body = rows.map(([first, ...cells]) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, first),
      ...cells.map((cell) => (cell instanceof Element ? cell : element("td", {}, cell))),
    ),
  );
  const columns = head.map((cell) => element("th", { scope: "col" }, cell));
  const drawn = element(
    "table",
    { class: className },
    element("caption", {}, title),
    element("thead", {}, element("tr", {}, ...columns)),
    element("tbody", {}, ...body),
  );
  const around = { class: "scroll", role: "region", tabindex: "0", "aria-label": title };
  return element("div", around, drawn);
}

const withSigns = (rows) => rows.map(([name, ...cells]) => [named(name), ...cells]);

/** A table of the report: a name first, then numbers as text. */
function summary({ title, head, rows, note }) {
  const drawn = table(title, head, withSigns(rows), "numbers");
  if (note) drawn.append(element("p", { class: "note" }, note));
  return drawn;
}

/** The same, folded away until somebody asks. */
function folded(found) {
  return element("details", {}, element("summary", {}, found.title), summary(found));
}

const chance = (p) => (p < 0.001 ? "p < 0.001" : `p = ${p.toFixed(3)}`);
const signed = (number) => ["\u2212", "", "+"][Math.sign(number) + 1] + Math.abs(number).toFixed(2);

const SIGNS = { row: ["wins", "▲"], column: ["loses", "▼"] };

/** Every system against every other, the row minus the column. */
function matrix({ title, names, cells }) {
  const rows = names.map((name, row) => [
    named(name),
    ...cells[row].map((cell) => {
      if (!cell) return element("td", { class: "self" }, "");
      const [className, sign] = SIGNS[cell.winner] ?? ["even", "≈"];
      return element(
        "td",
        { class: className, title: `${chance(cell.p)} uncorrected` },
        element("b", {}, signed(cell.difference)),
        element("small", {}, `${sign} ${chance(cell.corrected)}`),
      );
    }),
  ]);
  return table(title, ["", ...names.map(named)], rows, "matrix");
}

/** What is the same in all runs, folded away; what differs, as a table. */
function configuration({ same, different }) {
  const shown = [];
  if (different.rows.length) {
    shown.push(table("Configuration: what differs", different.head, withSigns(different.rows)));
  }
  const rows = Object.entries(same).map(([key, value]) =>
    [key, typeof value === "string" ? value : JSON.stringify(value)]);
  if (rows.length) {
    const what = "What is the same in all runs";
    const all = table(what, ["setting", "value"], rows);
    shown.push(element("details", {}, element("summary", {}, what), all));
  }
  return shown;
}
