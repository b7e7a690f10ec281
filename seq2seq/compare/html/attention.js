// Heatmaps of the report: attention to the source, or self-attention, of the selected line.

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

/** Whether a map is of attention. Other methods say what an output word depends on. */
const isAttention = (map, method) =>
  map !== "source" || method === undefined || method === "attention";

const DEPENDS = {
  row: "depends on", column: "affects", none: "No word depends on", number: percent,
};

/** Return how a heatmap describes values of a signed map, of which 255 is the limit. */
const inNats = (limit) =>
  ({ ...DEPENDS, number: (weight) => `${signed(weight / 255 * limit)} nats` });

/** Say what the darker cells of some heatmaps have or mean. */
function aboutInk(entries) {
  const others = entries.filter(([, map, { method }]) => !isAttention(map, method)).length;
  return [
    ...(!others || others < entries.length ? ["have more attention"] : []),
    ...(others ? ["mean that the output word depends more on the source word"] : []),
  ].join(" or ");
}

/** Return what follows the name of a run in the caption: the map, or the method if it is given. */
const kindOf = (map, method) =>
  map !== "source" ? `, ${MAPS[map]}` : method === undefined ? "" : `, ${method}`;

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
    const kind = kindOf(map, found.method);
    const label = `Heatmap of ${name}${kind}; move with the arrow keys`;
    const says = isAttention(map, found.method) ? ATTENTION : DEPENDS;
    const own = { caption: [named(name), kind], label, says, ...found };
    const nats = found.limit === null || found.limit === undefined ? {} : {
      weights: found.weights.map((weight) => weight * 255 / 127), says: inNats(found.limit),
      signed: true,
    };
    const heatmap = new Heatmap({ ...own, ...nats }, onPoint);
    maps.push(Object.assign(heatmap, { map }));
    return heatmap.figure;
  });
  $("#heatmaps").replaceChildren(...figures);
}
