// The sentence browser: a list that can be filtered and sorted, and the selected sentence.

const ROW = 52; // pixels per row of the list
const field = (id) => document.getElementById(id);

/** Choices for comparing sentences: the mean over the runs of a system, or a single run. */
const choices = [
  ...report.systems.filter(({ runs }) => runs.length > 1)
    .map(({ name, runs }) => ({ name: `${name}, mean of ${runs.length}`, system: name, runs })),
  ...report.runs.map((run) => ({ name: run.name, system: run.system, runs: [run.name] })),
];

class Sentences {
  constructor(test) {
    Object.assign(this, report.tests[test]);
    this.attention = new Attention(test);
    this.numbers = new Scores(test);
    // Words between spaces, as in the tables by source length.
    this.words = this.source.map((text) => text.split(/\s+/).filter(Boolean).length);
    this.scores = choices.map(({ runs }) => this.source.map((_, line) =>
      runs.reduce((sum, run) => sum + this.outputs[run].score[line], 0) / runs.length));
    this.chosen = 0;
    this.draws = 0; // the number of calls of drawAttention
    this.filter();
  }

  /** Return the searchable text of a line; it is built on the first search. */
  text(line) {
    this.texts ??= [];
    const outputs = Object.values(this.outputs).map((output) => output.text);
    this.texts[line] ??= [this.source, this.reference, ...outputs]
      .map((texts) => texts[line]).join("\n").toLowerCase();
    return this.texts[line];
  }

  /** Return the difference as it is shown. Without rounding, equal means may differ by 1e-16. */
  difference(line) {
    return Math.round(100 * (this.ours[line] - this.theirs[line])) / 100;
  }

  /** Apply the filters and the sort order, and show the result. */
  filter() {
    this.ours = this.scores[field("ours").value];
    this.theirs = this.scores[field("theirs").value];
    const query = field("search").value.trim().toLowerCase();
    const shortest = field("shortest").valueAsNumber || 0;
    const longest = field("longest").valueAsNumber || Infinity;
    const outcome = { wins: [1], loses: [-1], ties: [0], any: [1, 0, -1] }[field("outcome").value];
    const keys = {
      line: (line) => line,
      short: (line) => this.words[line],
      long: (line) => -this.words[line],
      ours: (line) => -this.difference(line),
      theirs: (line) => this.difference(line),
      worst: (line) => this.ours[line],
    };
    const order = field("order").value;
    this.lines = [...this.source.keys()].filter((line) =>
      this.words[line] >= shortest && this.words[line] <= longest
      && outcome.includes(Math.sign(this.difference(line)))
      && (!query || this.text(line).includes(query)));
    const key = keys[order];
    this.lines.sort((one, other) => key(one) - key(other) || one - other);
    const all = count(this.source.length, "line");
    $("#count").textContent = this.lines.length === this.source.length ? all
      : this.lines.length ? `${this.lines.length.toLocaleString("en")} of ${all}`
        : `None of ${all} match the filters.`;
    const list = $("#list");
    list.replaceChildren(element("div", { class: "spacer", role: "presentation" }));
    list.firstChild.style.height = `${this.lines.length * ROW}px`;
    // After sorting, select the first line; after filtering, keep the selected line if it is left.
    this.choose(order === this.order ? Math.max(0, this.lines.indexOf(this.chosen)) : 0);
    this.order = order;
  }

  /** Add only the visible rows to the list, because there may be thousands. */
  draw() {
    const list = $("#list");
    const first = Math.max(0, Math.floor(list.scrollTop / ROW) - 5);
    const last = Math.ceil((list.scrollTop + list.clientHeight) / ROW) + 5;
    const places = [...this.lines.keys()].slice(first, last);
    list.firstChild.replaceChildren(...places.map((place) => this.row(place)));
  }

  row(place) {
    const line = this.lines[place];
    const difference = this.difference(line);
    const outcomes = [["loses", "▼"], ["even", "="], ["wins", "▲"]];
    const [className, sign] = outcomes[Math.sign(difference) + 1];
    const row = element(
      "div",
      {
        class: "line", role: "option", id: `line-${line}`, "aria-selected": line === this.chosen,
        "aria-setsize": this.lines.length, "aria-posinset": place + 1,
      },
      element("span", { class: "number" }, String(line + 1)),
      element("span", { class: "text", dir: "auto", lang: report.source }, this.source[line]),
      element("span", { class: `difference ${className}` }, `${sign} ${signed(difference)}`),
    );
    row.style.height = `${ROW}px`;
    row.style.top = `${place * ROW}px`;
    row.addEventListener("click", () => this.choose(place));
    return row;
  }

  /** Select a line by its position in the list, scroll it into view and show it. */
  choose(place) {
    const list = $("#list");
    this.place = Math.min(Math.max(place, 0), this.lines.length - 1);
    $("#sentence").hidden = !this.lines.length;
    if (!this.lines.length) {
      list.removeAttribute("aria-activedescendant");
      return;
    }
    this.chosen = this.lines[this.place];
    const top = this.place * ROW;
    list.scrollTop = Math.min(Math.max(list.scrollTop, top + ROW - list.clientHeight), top);
    list.setAttribute("aria-activedescendant", `line-${this.chosen}`);
    this.draw();
    this.show();
  }

  key(event) {
    const page = Math.floor($("#list").clientHeight / ROW);
    const steps = {
      ArrowUp: this.place - 1, ArrowDown: this.place + 1, PageUp: this.place - page,
      PageDown: this.place + page, Home: 0, End: this.lines.length - 1,
    };
    if (!(event.key in steps)) return;
    event.preventDefault();
    this.choose(steps[event.key]);
  }

  /** Show the texts of the selected sentence and the attention of the outputs. */
  show() {
    const line = this.chosen;
    $("#sentence h3").textContent = `Line ${line + 1}`;
    const against = field("against").value;
    const base = against === "" ? this.reference[line] : this.outputs[against].text[line];
    this.shown = new Map(); // run -> the element of its output, and its content
    const entry = (label, text, lang, run) => {
      const shown = element("dd", { dir: "auto", lang }, ...text);
      if (run !== undefined) this.shown.set(run, { box: shown, text });
      if (!shown.textContent.trim()) shown.append(element("i", {}, "empty"));
      return [element("dt", {}, ...label), shown];
    };
    const outputs = report.runs.flatMap(({ name }, run) => {
      const text = this.outputs[name].text[line];
      const score = this.outputs[name].score[line].toFixed(1);
      const chrf = element("span", { class: "score", title: "sentence chrF" }, score);
      const shown = name === against || !text ? pieces(text) : marked(text, base);
      return entry([named(name), chrf], shown, report.target, run);
    });
    $("#texts").replaceChildren(
      ...entry(["Source"], [this.source[line]], report.source),
      ...entry(["Reference"], [this.reference[line]], report.target),
      ...outputs,
    );
    this.drawAttention();
    this.drawNumbers();
  }

  /** Put numbers under the words of the outputs, unless another line has been selected. */
  async drawNumbers() {
    const line = this.chosen;
    const kind = field("beneath").value;
    const runs = kind === "" ? [] : Object.keys(this.scored).map(Number);
    const found = await Promise.all(runs.map((run) => this.numbers.of(run, line)));
    if (line !== this.chosen || this !== sentences || kind !== field("beneath").value) return;
    for (const [index, run] of runs.entries()) {
      const { box, text } = this.shown.get(run);
      if (found[index].words.length) {
        box.replaceChildren(...numbered(text, found[index], found[index][kind]));
      }
    }
    $("#numbers").hidden = $("#about-numbers").hidden = !runs.length;
    $("#numbers .tables").replaceChildren(
      ...runs.map((run, index) => numberTable(report.runs[run].name, found[index])),
    );
  }

  /** Remove the heatmaps if they are of another line. */
  clearAttention() {
    if (this.drawn === this.chosen) return;
    this.drawn = this.chosen;
    $("#heatmaps").replaceChildren();
    $("#dropped").hidden = true;
  }

  /** Draw the selected heatmaps, unless others have been selected in the meantime. */
  async drawAttention() {
    const line = this.chosen;
    const draw = ++this.draws;
    this.clearAttention();
    const checked = (id) =>
      [...document.querySelectorAll(`#${id} input:checked`)].map((box) => box.value);
    const maps = $("#maps").hidden ? ["source"] : checked("maps");
    const shown = checked("shown").flatMap((run) => maps
      .filter((map) => map === "source" || this.maps[run]?.includes(map))
      .map((map) => [run, map]));
    const entries = await Promise.all(shown.map(async ([run, map]) => {
      const found = await this.attention.of(run, line, map, this.methodOf(run));
      if (found && run in this.methods) found.method = this.methodOf(run);
      return [report.runs[run].name, map, found];
    }));
    if (draw !== this.draws || this !== sentences) return;
    const dropped = entries.some(([, , found]) => found === null);
    $("#dropped").hidden = !dropped;
    const drawn = entries.filter(([, , found]) => found?.source.length);
    $("#about-signs").hidden = !drawn.some(([, , { limit }]) => limit !== undefined && limit !== null);
    $("#about-ink").textContent = aboutInk(drawn);
    drawHeatmaps(drawn);
  }

  /** Return the selected method if a run has it, else its first. */
  methodOf(run) {
    const own = this.methods[run] ?? ["attention"];
    return own.includes(field("method").value) ? field("method").value : own[0];
  }
}

let sentences = null;

/** Say which runs have no maps, and why. */
function missingMaps(kept, maps) {
  const missing = (what, runs) => {
    const names = runs.map((run) => report.runs[run].name);
    return !names.length ? []
      : [`No ${what} is stored for ${names.join(", ")}.`,
        `seq2seq evaluate stores it for models that have ${what}.`];
  };
  const without = [...report.runs.keys()].filter((run) => !kept.includes(run));
  const outside = without.filter((run) => report.runs[run].outside);
  return [
    ...missing("attention", without.filter((run) => !outside.includes(run))),
    ...(outside.length ? ["Outside systems have no attention."] : []),
    ...missing("self-attention", kept.filter((run) => !(run in maps))),
  ].join(" ");
}

function options(id, entries) {
  const elements = entries.map(([value, label]) => element("option", { value }, label));
  field(id).replaceChildren(...elements);
}

/** Replace the options of a choice; what is selected stays selected if it is left. */
function choose(id, entries) {
  const { value } = field(id);
  options(id, entries);
  field(id).value = entries.some(([one]) => one === value) ? value : entries[0]?.[0] ?? "";
}

/** Show the sentences of a test set. */
function drawSentences(test) {
  const { attention: kept, maps, methods, scored } = report.tests[test];
  const first = report.systems.map((system) => report.runs.findIndex(
    (run, index) => run.system === system.name && kept.includes(index)));
  $("#shown").replaceChildren($("#shown legend"), ...kept.map((run) => {
    const box = element("input", { type: "checkbox", value: run });
    box.checked = first.includes(run);
    return element("label", {}, box, named(report.runs[run].name),
      run in methods ? ` (${methods[run].join(", ")})` : "");
  }));
  const allMethods = [...new Set(kept.flatMap((run) => methods[run] ?? ["attention"]))];
  choose("method", allMethods.map((name) => [name, name]));
  $("#choose-method").hidden = allMethods.length < 2;
  const shares = Object.values(scored).some((known) => known);
  choose("beneath", [
    ["", "nothing"], ["probability", "probability, %"],
    ...(shares ? [["share", "share of the source, %"]] : []),
  ]);
  $("#choose-beneath").hidden = !Object.keys(scored).length;
  $("#maps").hidden = $("#about-maps").hidden = !Object.keys(maps).length;
  $("#any-attention").hidden = !kept.length;
  $("#missing").textContent = missingMaps(kept, maps);
  sentences = new Sentences(test);
}

function startSentences() {
  const names = choices.map(({ name }, index) => [index, name]);
  const other = choices.findIndex(({ system }) => system !== choices[0].system);
  options("ours", names);
  options("theirs", names);
  field("theirs").value = Math.max(0, other);
  options("against", [["", "the reference"], ...report.runs.map(({ name }) => [name, name])]);
  for (const id of ["search", "shortest", "longest", "order", "ours", "outcome", "theirs"]) {
    field(id).addEventListener("input", () => sentences.filter());
  }
  field("against").addEventListener("input", () => sentences.show());
  field("beneath").addEventListener("input", () => sentences.show());
  for (const id of ["shown", "maps", "method"]) {
    field(id).addEventListener("input", () => sentences.drawAttention());
  }
  $("#list").addEventListener("scroll", () => sentences.draw());
  $("#list").addEventListener("keydown", (event) => sentences.key(event));
}
