// A heatmap: a row per output word, a column per source word, and a value in each cell.

const CELL = 22; // pixels per word
const SIDE = 8192; // maximum width and height of a canvas in pixels, which all browsers allow
const AREA = 2 ** 24; // maximum number of pixels of a canvas, which need 64 MiB

const percent = (weight) => `${Math.round(weight / 2.55)} %`;

/**
 * Describe up to three words with the largest weights, largest first. Words with small weights are
 * left out, unless all weights are small. The result is empty if all weights are zero.
 */
function strongest(words, weights, number) {
  const shares = words.map((word, place) => [word, weights[place]]).filter(([, weight]) => weight);
  shares.sort(([, one], [, other]) => Math.abs(other) - Math.abs(one));
  const large = shares.filter(([, weight]) => Math.abs(weight) > 12);
  const listed = (large.length ? large : shares).slice(0, 3);
  return listed.map(([word, weight]) => `${word} ${number(weight)}`).join(", ");
}

/** Create the outlines of the cells of gold links. */
function outlines(gold) {
  if (gold === null) return [];
  return Object.entries(gold).flatMap(([kind, links]) => links.map(([column, row]) => {
    const box = element("div", { class: `gold ${kind}`, "aria-hidden": "true" });
    box.style.gridArea = `${row + 2} / ${column + 2}`;
    return box;
  }));
}

const ATTENTION = {
  row: "attends to", column: "is attended to by", none: "No word attends to", number: percent,
};

/** Return the ink of a weight. That of signed maps is, as in the figures of `seq2seq align`, red or
 * blue of ColorBrewer's RdBu. */
const inkOf = (weight, signed) =>
  !signed ? "0 40 90" : weight < 0 ? "178 24 43" : "33 102 172";

/** A heatmap. It calls `onPoint` with the row and column that the user points at.
 *
 * `weights` are from -255 to 255, row by row; if they are `signed`, the sign has a color. `gold`
 * has the cells of gold links, `sure` and `possible`, which are outlined. `says` has the verbs and
 * the numbers of its description.
 */
class Heatmap {
  constructor({ caption, label, source, target, weights, border = null, gold = null,
    says = ATTENTION, signed = false }, onPoint) {
    Object.assign(this, { source, target, weights, says, signed, onPoint });
    Object.assign(this, { row: null, column: null });
    const word = (className, text) => element("span", { class: className, dir: "auto" }, text);
    this.columns = source.map((text) => word("source", text));
    this.rows = target.map((text) => word("target", text));
    const overlay = (direction) => element("div", { class: `highlight ${direction}`, hidden: "" });
    this.overlays = ["row", "column"].map(overlay);
    this.readout = element("p", { class: "readout", role: "status" });
    this.grid = element(
      "div",
      {
        class: "grid", tabindex: "0", role: "group",
        "aria-label": label,
      },
      ...this.columns, ...this.rows, this.canvas(), ...outlines(gold), ...this.overlays,
    );
    this.grid.style.gridTemplateColumns = `auto repeat(${source.length}, ${CELL}px)`;
    this.grid.style.gridTemplateRows = `auto repeat(${target.length}, ${CELL}px)`;
    if (border !== null) {
      const line = element("div", { class: "border", "aria-hidden": "true" });
      line.style.gridArea = `1 / ${border + 2} / -1 / auto`;
      this.grid.append(line);
    }
    this.columns.forEach((label, place) => { label.style.gridArea = `1 / ${place + 2}`; });
    this.rows.forEach((label, place) => { label.style.gridArea = `${place + 2} / 1`; });
    this.grid.addEventListener("pointermove", (event) => onPoint(this, ...this.pointed(event)));
    this.grid.addEventListener("pointerleave", () => onPoint(this, null, null));
    this.grid.addEventListener("focus", () => {
      if (this.grid.matches(":focus-visible")) onPoint(this, 0, this.peak(0));
    });
    this.grid.addEventListener("blur", () => onPoint(this, null, null));
    this.grid.addEventListener("keydown", (event) => this.key(event));
    this.figure = element(
      "figure", { class: "heatmap" }, element("figcaption", {}, ...caption),
      element("div", { class: "scroll" }, this.grid), this.readout,
    );
  }

  /** Draw the weights as opacity of one color; the style sheet inverts it in the dark theme. */
  canvas() {
    const [columns, rows] = [this.source.length, this.target.length];
    const size = Math.floor(Math.min(
      CELL * 2, // sharp in print and on high-resolution screens
      SIDE / Math.max(columns, rows), Math.sqrt(AREA / (columns * rows)),
    ));
    const gap = size > 8 ? 1 : 0;
    const drawn = element("canvas", {
      width: columns * size, height: rows * size, "aria-hidden": "true",
    });
    const context = drawn.getContext("2d");
    this.weights.forEach((weight, place) => {
      context.fillStyle = `rgb(${inkOf(weight, this.signed)} / ${Math.abs(weight) / 255})`;
      const [x, y] = [place % columns, Math.floor(place / columns)];
      context.fillRect(x * size, y * size, size - gap, size - gap);
    });
    drawn.style.gridArea = "2 / 2 / -1 / -1";
    return drawn;
  }

  at(row, column) {
    return this.weights[row * this.source.length + column];
  }

  weightsOf(row) {
    return this.source.map((_, column) => this.at(row, column));
  }

  peak(row) {
    const weights = this.weightsOf(row);
    return weights.indexOf(Math.max(...weights));
  }

  /** Return the row and column under the pointer, each null if the pointer is outside of them. */
  pointed({ clientX, clientY }) {
    const box = this.grid.querySelector("canvas").getBoundingClientRect();
    const column = Math.floor((clientX - box.left) / CELL);
    const row = Math.floor((clientY - box.top) / CELL);
    return [
      row >= 0 && row < this.target.length ? row : null,
      column >= 0 && column < this.source.length ? column : null,
    ];
  }

  key(event) {
    const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    if (event.key === "Escape") this.onPoint(this, null, null);
    if (!steps[event.key]) return;
    event.preventDefault();
    const [down, right] = steps[event.key];
    const clamp = (place, size) => Math.min(Math.max(place, 0), size - 1);
    const row = clamp((this.row ?? 0) + down, this.target.length);
    this.onPoint(this, row, clamp((this.column ?? this.peak(row)) + right, this.source.length));
  }

  /** Highlight a row, a column or both; null removes the highlight. */
  highlight(row, column) {
    Object.assign(this, { row, column });
    const [across, down] = this.overlays;
    across.hidden = row === null;
    down.hidden = column === null;
    if (row !== null) across.style.gridArea = `${row + 2} / 1 / auto / -1`;
    if (column !== null) down.style.gridArea = `1 / ${column + 2} / -1 / auto`;
    this.rows.forEach((label, place) => label.classList.toggle("lit", place === row));
    this.columns.forEach((label, place) => label.classList.toggle("lit", place === column));
  }

  /** Describe the highlighted row, column or cell. */
  describe(row, column) {
    if (row === null && column === null) return "";
    const { row: verb, column: passive, none, number } = this.says;
    if (column === null) {
      const words = strongest(this.source, this.weightsOf(row), number);
      return `${this.target[row]} ${verb} ${words || "no word in particular"}`;
    }
    if (row === null) {
      const weights = this.target.map((_, place) => this.at(place, column));
      const words = strongest(this.target, weights, number);
      return words
        ? `${this.source[column]} ${passive} ${words}`
        : `${none} ${this.source[column]}`;
    }
    const share = number(this.at(row, column));
    return `${this.target[row]} ${verb} ${this.source[column]}: ${share}`;
  }
}
