// Heatmaps of a method: a row per output word, a column per source word; or of self-attention.

const CELL = 22; // pixels per word
const SIDE = 8192; // maximum width and height of a canvas in pixels, which all browsers allow
const AREA = 2 ** 24; // maximum number of pixels of a canvas, which need 64 MiB

const MAPS = {
  source: "to the source", target: "to the target so far", encoder: "inside the encoder",
};

/** The maps of all runs on a test set. */
class Attention {
  constructor(test) {
    this.blocks = new Blocks(`attention-${test}`);
  }

  /**
   * Return a map; `source` are the words of the columns and `target` those of the rows. A signed map
   * has a `limit`, its largest absolute value in nats. The result is null if the line was left out.
   * The method is that of the map to the source; if the run does not have it, it is the first.
   */
  async of(run, line, map, method) {
    const entry = await this.blocks.line(run, line);
    if (entry === null) return null;
    const [source, target, weights, others, methods] = entry;
    if (map === "source" && methods[method]) {
      const [rows, values, limit] = methods[method];
      return { source, target: rows, weights: values, border: null, limit };
    }
    if (map === "source") return { source, target, weights, border: null };
    const [rows, columns, values, border] = others[map] ?? [[], [], [], null];
    return { source: columns, target: rows, weights: values, border };
  }
}

const percent = (weight) => `${Math.round(weight / 2.55)} %`;

/** Describe a value of a signed map in nats. */
const nats = (weight, limit) =>
  `${["\u2212", "", "+"][Math.sign(weight) + 1]}${Math.abs(weight / 127 * limit).toFixed(2)} nats`;

/** Describe up to three words with the largest weights, largest first. */
function strongest(words, weights, shown = percent) {
  const shares = words.map((word, place) => [word, weights[place]]);
  shares.sort(([, one], [, other]) => Math.abs(other) - Math.abs(one));
  const largest = shares.filter(([, weight]) => Math.abs(weight) > 12).slice(0, 3);
  return largest.map(([word, weight]) => `${word} ${shown(weight)}`).join(", ");
}

// Colors of signed maps, as in the figures of `seq2seq align`: red and blue of ColorBrewer's RdBu.
const NEGATIVE = "178 24 43", POSITIVE = "33 102 172";

/** Return what follows the name of a run in the caption: the map, or the method if it is given. */
const kindOf = (map, method) =>
  map !== "source" ? `, ${MAPS[map]}` : method === undefined ? "" : `, ${method}`;

/**
 * A heatmap. It calls `onPoint` with the row and column that the user points at. With a `limit` the
 * values are signed, from -127 to 127 for -limit to limit.
 */
class Heatmap {
  constructor(name, map, { source, target, weights, border, limit = null, method }, onPoint) {
    Object.assign(this, { map, source, target, weights, limit, onPoint, row: null, column: null });
    const kind = kindOf(map, method);
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
        "aria-label": `Heatmap of ${name}${kind}; move with the arrow keys`,
      },
      ...this.columns, ...this.rows, this.canvas(), ...this.overlays,
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
      "figure", { class: "heatmap" }, element("figcaption", {}, named(name), kind),
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
      context.fillStyle = this.color(weight);
      const [x, y] = [place % columns, Math.floor(place / columns)];
      context.fillRect(x * size, y * size, size - gap, size - gap);
    });
    drawn.style.gridArea = "2 / 2 / -1 / -1";
    return drawn;
  }

  /** Return the color of a value: its sign is the hue, its size the opacity. */
  color(weight) {
    if (this.limit === null) return `rgb(0 40 90 / ${weight / 255})`;
    return `rgb(${weight < 0 ? NEGATIVE : POSITIVE} / ${Math.abs(weight) / 127})`;
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
    if (this.limit !== null) return this.describeSigned(row, column);
    if (column === null) {
      const words = strongest(this.source, this.weightsOf(row));
      return `${this.target[row]} attends to ${words}`;
    }
    if (row === null) {
      const words = strongest(this.target, this.target.map((_, place) => this.at(place, column)));
      return words
        ? `${this.source[column]} is attended to by ${words}`
        : `No word attends to ${this.source[column]}`;
    }
    const share = percent(this.at(row, column));
    return `${this.target[row]} attends to ${this.source[column]}: ${share}`;
  }

  describeSigned(row, column) {
    const shown = (weight) => nats(weight, this.limit);
    if (column === null) {
      const words = strongest(this.source, this.weightsOf(row), shown);
      return words ? `${this.target[row]}: ${words}` : `No word changes ${this.target[row]}`;
    }
    if (row === null) {
      const values = this.target.map((_, place) => this.at(place, column));
      const words = strongest(this.target, values, shown);
      return `${this.source[column]} changes ${words || "no word"}`;
    }
    return `${this.target[row]} with ${this.source[column]}: ${shown(this.at(row, column))}`;
  }
}

/** Describe a map that is not in the page because it is too large. */
function leftOut(name, map, { source, target, method }) {
  const kind = kindOf(map, method);
  const [rows, columns] = [target, source].map((words) => words.length.toLocaleString("en"));
  const text = `This map of ${rows} × ${columns} words is too large for this page: draw it with `
    + "seq2seq align.";
  return element(
    "figure", { class: "heatmap" }, element("figcaption", {}, named(name), kind),
    element("p", {}, text),
  );
}

/** Draw the heatmaps of one line side by side; they share the highlighted source word. */
function drawHeatmaps(entries) {
  const maps = [];
  const onPoint = (origin, row, column) => {
    for (const map of maps) {
      const sameSource = map === origin || (map.map !== "target" && origin.map !== "target"
        && map.source.length === origin.source.length);
      map.highlight(map === origin ? row : null, sameSource ? column : null);
      map.readout.textContent = map === origin ? map.describe(row, column) : "";
    }
  };
  const figures = entries.map(([name, map, found]) => {
    if (found.weights === null) return leftOut(name, map, found);
    maps.push(new Heatmap(name, map, found, onPoint));
    return maps.at(-1).figure;
  });
  $("#heatmaps").replaceChildren(...figures);
}
