// Heatmaps of attention: a row a word of the output, a column a word of the source.

const CELL = 22; // pixels a word

/** The attention on a test set; a line is unpacked with its neighbours when first asked for. */
class Attention {
  constructor(test) {
    this.test = test;
    this.chunks = new Map();
  }

  async of(run, line) {
    const file = `attention-${this.test}-${run}`;
    if (!this.chunks.has(file)) this.chunks.set(file, stored(file));
    const chunks = this.chunks.get(file);
    const nth = Math.floor(line / report.chunk);
    if (typeof chunks[nth] === "string") chunks[nth] = unpack(chunks[nth]).then(JSON.parse);
    const [source, target, weights] = (await chunks[nth])[line % report.chunk];
    return { source, target, weights };
  }
}

const percent = (weight) => `${Math.round(weight / 2.55)} %`;

/** The words that one looks at, or is looked at by, the strongest first. */
function strongest(words, weights) {
  const shares = words.map((word, place) => [word, weights[place]]);
  shares.sort(([, one], [, other]) => other - one);
  const most = shares.filter(([, weight]) => weight > 12).slice(0, 3);
  return most.map(([word, weight]) => `${word} ${percent(weight)}`).join(", ");
}

/** One heatmap. `light` shows a row, a column or a cell; `tell` is told what a person points at. */
class Heatmap {
  constructor(name, { source, target, weights }, tell) {
    Object.assign(this, { source, target, weights, tell, row: null, column: null });
    const word = (className, text) => element("span", { class: className, dir: "auto" }, text);
    this.columns = source.map((text) => word("source", text));
    this.rows = target.map((text) => word("target", text));
    const beam = (way) => element("div", { class: `beam ${way}`, hidden: "" });
    this.beams = ["row", "column"].map(beam);
    this.said = element("p", { class: "said", role: "status" });
    this.grid = element(
      "div",
      {
        class: "grid", tabindex: "0", role: "group",
        "aria-label": `Heatmap of ${name}; arrow keys walk`,
      },
      ...this.columns, ...this.rows, this.canvas(), ...this.beams,
    );
    this.grid.style.gridTemplateColumns = `auto repeat(${source.length}, ${CELL}px)`;
    this.grid.style.gridTemplateRows = `auto repeat(${target.length}, ${CELL}px)`;
    this.columns.forEach((label, place) => { label.style.gridArea = `1 / ${place + 2}`; });
    this.rows.forEach((label, place) => { label.style.gridArea = `${place + 2} / 1`; });
    this.grid.addEventListener("pointermove", (event) => tell(this, ...this.pointed(event)));
    this.grid.addEventListener("pointerleave", () => tell(this, null, null));
    this.grid.addEventListener("focus", () => {
      if (this.grid.matches(":focus-visible")) tell(this, 0, this.peak(0));
    });
    this.grid.addEventListener("blur", () => tell(this, null, null));
    this.grid.addEventListener("keydown", (event) => this.key(event));
    this.figure = element(
      "figure", { class: "heatmap" }, element("figcaption", {}, named(name)),
      element("div", { class: "scroll" }, this.grid), this.said,
    );
  }

  /** The weights as ink of their strength; the page's colours do the rest. */
  canvas() {
    const size = CELL * 2; // sharp on paper and fine screens
    const drawn = element("canvas", {
      width: this.source.length * size, height: this.target.length * size, "aria-hidden": "true",
    });
    const ink = drawn.getContext("2d");
    this.weights.forEach((weight, place) => {
      ink.fillStyle = `rgb(0 40 90 / ${weight / 255})`;
      const [x, y] = [place % this.source.length, Math.floor(place / this.source.length)];
      ink.fillRect(x * size, y * size, size - 1, size - 1);
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

  /** The row and the column under the pointer; null above the rows or beside the columns. */
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
    if (event.key === "Escape") this.tell(this, null, null);
    if (!steps[event.key]) return;
    event.preventDefault();
    const [down, right] = steps[event.key];
    const within = (place, most) => Math.min(Math.max(place, 0), most - 1);
    const row = within((this.row ?? 0) + down, this.target.length);
    this.tell(this, row, within((this.column ?? this.peak(row)) + right, this.source.length));
  }

  /** Light a row, a column or both; null lights none. */
  light(row, column) {
    Object.assign(this, { row, column });
    const [across, down] = this.beams;
    across.hidden = row === null;
    down.hidden = column === null;
    if (row !== null) across.style.gridArea = `${row + 2} / 1 / auto / -1`;
    if (column !== null) down.style.gridArea = `1 / ${column + 2} / -1 / auto`;
    this.rows.forEach((label, place) => label.classList.toggle("lit", place === row));
    this.columns.forEach((label, place) => label.classList.toggle("lit", place === column));
  }

  /** What is lit, in words. */
  say(row, column) {
    if (row === null && column === null) return "";
    if (column === null) {
      const found = strongest(this.source, this.weightsOf(row));
      return `${this.target[row]} looked at ${found}`;
    }
    if (row === null) {
      const found = strongest(this.target, this.target.map((_, place) => this.at(place, column)));
      return found
        ? `${this.source[column]} was looked at by ${found}`
        : `No word looked at ${this.source[column]}`;
    }
    return `${this.target[row]} looked at ${this.source[column]}: ${percent(this.at(row, column))}`;
  }
}

/** Heatmaps of one line side by side; a source word that is pointed at is lit in all of them. */
function drawHeatmaps(entries) {
  const maps = [];
  const tell = (origin, row, column) => {
    for (const map of maps) {
      const known = map.source.length === origin.source.length;
      map.light(map === origin ? row : null, known ? column : null);
      map.said.textContent = map === origin ? map.say(row, column) : "";
    }
  };
  maps.push(...entries.map(([name, seen]) => new Heatmap(name, seen, tell)));
  $("#heatmaps").replaceChildren(...maps.map((map) => map.figure));
}
