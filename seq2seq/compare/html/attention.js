// Heatmaps of the report: attention to the source, or self-attention, of the selected line.

const MAPS = {
  source: "to the source", target: "to the target so far", encoder: "inside the encoder",
};

/** Attention of all runs on a test set; blocks of lines are decompressed when first needed. */
class Attention {
  constructor(test) {
    this.test = test;
    this.chunks = new Map();
  }

  /** Return a map; `source` are the words of the columns and `target` those of the rows. */
  async of(run, line, map) {
    const file = `attention-${this.test}-${run}`;
    if (!this.chunks.has(file)) this.chunks.set(file, stored(file));
    const chunks = this.chunks.get(file);
    const index = Math.floor(line / report.chunk);
    if (typeof chunks[index] === "string") chunks[index] = unpack(chunks[index]).then(JSON.parse);
    const [source, target, weights, others] = (await chunks[index])[line % report.chunk];
    if (map === "source") return { source, target, weights, border: null };
    const [rows, columns, values, border] = others[map] ?? [[], [], [], null];
    return { source: columns, target: rows, weights: values, border };
  }
}

/** Describe a map that is not in the page because it is too large. */
function leftOut(name, map, { source, target }) {
  const kind = map === "source" ? "" : `, ${MAPS[map]}`;
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
    const kind = map === "source" ? "" : `, ${MAPS[map]}`;
    const label = `Heatmap of ${name}${kind}; move with the arrow keys`;
    const heatmap = new Heatmap({ caption: [named(name), kind], label, ...found }, onPoint);
    maps.push(Object.assign(heatmap, { map }));
    return heatmap.figure;
  });
  $("#heatmaps").replaceChildren(...figures);
}
