// What a run shows: words, n-best list, heatmap, and the controls for them.

const METHOD_NAMES = {
  attention: "attention weights",
  vectors: "norms of the attended vectors",
  alti: "ALTI contributions",
  occlusion: "occlusion",
  gradient: "input × gradient",
  smoothgrad: "SmoothGrad",
  integrated_gradients: "integrated gradients",
};
/** Return what a method is called in the page; METHOD:lexeme and METHOD:form explain a part. */
function methodName(method) {
  const [name, part] = method.split(":");
  const parts = { lexeme: ", the word in any form", form: ", the form of the word" };
  return METHOD_NAMES[name] + (parts[part] ?? "");
}

const DEPENDS = { row: "depends on", column: "matters to", none: "No word depends on" };

const stepName = (step) =>
  step === null ? "best weights" : step === 0 ? "untrained" : `step ${step.toLocaleString("en")}`;

/** Join pieces to words, without the end. */
const wordsOf = (pieces) => pieces.slice(0, -1).join("").split(SPACE).filter(Boolean);

/** The elements of a run in the page. `Card` has the requests. */
class CardView {
  constructor(run, number) {
    Object.assign(this, { run, number, answer: null, map: null, row: null, base: null });
    this.aborter = null;
    this.choices = {};
    this.title = element("h3", {}, run.name);
    const about = [run.model, count(run.parameters, "parameter")];
    if (run.training) about.push(`training not finished (${run.status}): its best weights so far`);
    this.facts = element("p", { class: "facts" });
    this.words = element("p", {
      class: "target-words",
      role: "group",
      "aria-label": `Translation by ${run.name}; arrow keys move, Enter lists alternatives`,
    });
    this.strip = element("p", { class: "source-strip", "aria-hidden": "true" });
    this.panel = element("div", {});
    this.best = element("details", { class: "best" }, element("summary", {}, "n-best"));
    this.settings = element("div", { class: "filters" });
    this.steps = element("div", {});
    this.figure = element("div", { class: "map" });
    this.problem = element("p", { class: "problem", hidden: "" });
    this.note = element("p", { class: "note given", hidden: "" });
    this.saves = element("p", { class: "saves" });
    this.more = element("p", { class: "saves" });
    this.node = element(
      "article",
      { class: "card", "aria-label": run.name },
      element("div", { class: "card-head" }, this.title, element("small", {}, about.join(" · "))),
      this.steps,
      this.words,
      this.problem,
      this.note,
      this.strip,
      this.panel,
      this.facts,
      this.best,
      this.settings,
      this.figure,
      this.saves,
      this.more,
    );
    this.words.addEventListener("keydown", (event) => this.wordKey(event));
    this.words.addEventListener("pointerleave", () => point(null, null));
    this.drawSteps();
  }

  /** Draw the words of the translation; those that differ from the unedited one are marked. */
  drawWords() {
    const { words, given } = this.answer;
    const after = given ? this.answer.starts.findIndex((start) => start >= given) : null;
    const changes = edited() && this.base ? common(words, this.base.words) : null;
    const gap = (place) => {
      const missing = changes?.missing.get(place);
      if (
        !missing ||
        [place - 1, place].some((near) => words[near] !== undefined && !changes.kept.has(near))
      )
        return [];
      const text = `missing: ${missing.join(" ")}`;
      return [
        element(
          "span",
          { class: "gap", title: text },
          "‸",
          element("span", { class: "hidden" }, text),
        ),
      ];
    };
    const nodes = words.flatMap((word, row) => {
      const button = element(
        "button",
        { type: "button", class: "target-word", dir: "auto", tabindex: row ? "-1" : "0" },
        word,
      );
      if (changes && !changes.kept.has(row)) button.classList.add("changed");
      if (changes && !changes.kept.has(row))
        button.append(element("span", { class: "hidden" }, " (changed)"));
      if (row === after) button.classList.add("after-given");
      for (const event of ["pointerenter", "focus"]) {
        button.addEventListener(event, () => point(this, rowOfWord(this, row)));
      }
      button.addEventListener("click", () => this.openAlternatives(row));
      return [...gap(row), button];
    });
    nodes.push(...gap(words.length));
    const end = element(
      "button",
      {
        type: "button",
        class: "target-word end",
        dir: "ltr",
        tabindex: words.length ? "-1" : "0",
        "aria-label": "end of sentence",
      },
      "</s>",
    );
    end.addEventListener("click", () => this.openAlternatives(words.length));
    for (const event of ["pointerenter", "focus"]) {
      end.addEventListener(event, () => point(this, this.map ? this.map.target.length - 1 : null));
    }
    if (!words.length) nodes.push(element("i", {}, "empty"));
    this.words.dir = direction(words.join(" "));
    this.words.replaceChildren(...[...nodes, end].flatMap((node) => [node, " "]));
  }

  drawBest() {
    const { best } = this.answer;
    const rows = best.map((one, rank) => [
      String(rank + 1),
      element("td", { dir: "auto" }, one.text || "(empty)"),
      fixed(one.score),
      fixed(one.log_probability),
    ]);
    this.best.hidden = false;
    this.best.replaceChildren(
      element("summary", {}, `n-best list (${best.length})`),
      table(
        "n-best translations",
        ["", "translation", "score", "log-probability"],
        rows,
        "best-list",
      ),
    );
  }

  /** Whether there is a slider over checkpoints. */
  hasSteps() {
    return this.run.checkpoints.length > 1;
  }

  /** Draw the slider over the checkpoints. */
  drawSteps() {
    if (!this.hasSteps()) return this.steps.replaceChildren();
    const places = [...this.run.checkpoints, null];
    const at = places.indexOf(this.choices.step ?? null);
    const output = element("output", {}, stepName(places[at]));
    const slider = element("input", {
      type: "range",
      min: "0",
      max: String(places.length - 1),
      value: String(at),
      "aria-valuetext": stepName(places[at]),
    });
    let timer = null;
    slider.addEventListener("input", () => {
      const step = places[Number(slider.value)];
      output.textContent = stepName(step);
      slider.setAttribute("aria-valuetext", stepName(step));
      if (step === null) delete this.choices.step;
      else this.choices.step = step;
      delete this.choices.prefix;
      clearTimeout(timer);
      timer = setTimeout(() => this.again(), 120);
    });
    return this.steps.replaceChildren(
      element("label", { class: "slider" }, "Checkpoint", slider, output),
    );
  }

  /** Draw the choice of method, layer, head and row. */
  drawSettings() {
    const { map } = this;
    const method = map?.method ?? this.choices.method ?? this.run.methods[0];
    const change = (key, convert) => (value) => {
      this.choices[key] = convert(value);
      if (key === "method")
        for (const other of ["layer", "head", "shift"]) delete this.choices[other];
      this.again();
    };
    const numbered = (size, mean) => [
      ...Array.from({ length: size }, (_, place) => [String(place + 1), String(place + 1)]),
      ["0", mean],
    ];
    const parts = [
      select(
        "Map",
        this.run.methods.map((name) => [name, methodName(name)]),
        method,
        change("method", String),
      ),
    ];
    if (map?.layers > 1)
      parts.push(select("Layer", numbered(map.layers, "mean"), map.layer, change("layer", Number)));
    if (map?.heads > 1)
      parts.push(select("Head", numbered(map.heads, "mean"), map.head, change("head", Number)));
    if (map) {
      const rows = [
        ["false", "that predicts the word"],
        ["true", "that reads the word"],
      ];
      parts.push(
        select(
          "Row",
          rows,
          map.shift,
          change("shift", (value) => value === "true"),
        ),
      );
    }
    const focused = [...this.settings.querySelectorAll("select")].indexOf(document.activeElement);
    this.settings.replaceChildren(...parts);
    if (focused >= 0) this.settings.querySelectorAll("select")[focused]?.focus();
  }

  drawMap() {
    const { map, run } = this;
    this.heatmap = null;
    this.saves.replaceChildren();
    this.more.replaceChildren();
    this.strip.replaceChildren();
    if (!map) return this.figure.replaceChildren();
    const weights = scaled(map);
    const kind = methodName(map.method);
    const attention = map.method === "attention";
    const says = attention ? ATTENTION : { ...DEPENDS, number: this.numberFormat() };
    this.strip.dir = direction(map.source.slice(0, -1).join(" ")); // without </s>
    this.strip.replaceChildren(
      ...map.source
        .map((word) => element("span", { dir: "auto" }, word))
        .flatMap((node) => [node, " "]),
    );
    const gold = map.sure ? { sure: map.sure, possible: map.possible } : null;
    this.heatmap = new Heatmap(
      {
        caption: [[kind, this.mapDetails()].join(", "), gold ? ", gold links outlined" : ""],
        says,
        gold,
        weights,
        signed: map.signed,
        label: `Heatmap of ${run.name}, ${kind}; move with the arrow keys`,
        source: map.source,
        target: map.target,
      },
      (_, row, column) => point(this, row, column),
    );
    this.heatmap.readout.removeAttribute("role"); // `say` announces it
    const values = element("details", {}, element("summary", {}, "Table"));
    values.addEventListener("toggle", () => values.append(this.valueTable()), { once: true });
    this.figure.replaceChildren(this.heatmap.figure, values);
    this.drawSaves();
    return undefined;
  }

  /** Format a scaled value of a map: nats if it is signed, else percent. */
  numberFormat() {
    const { map } = this;
    if (!map.signed) return percent;
    const largest = Math.max(...map.values.flat().map(Math.abs), 1e-9);
    return (weight) => `${fixed((weight / 255) * largest, 2)} nats`;
  }

  valueTable() {
    const { map } = this;
    const rows = map.target.map((word, row) => [
      element("span", { dir: "auto" }, word),
      ...map.values[row].map((value) => fixed(value, 2)),
    ]);
    return table(
      `${methodName(map.method)} of ${this.run.name}`,
      ["", ...map.source],
      rows,
      "numbers",
    );
  }

  /** Return the text that the map explains: the translation or the reference. */
  mapOf() {
    return this.map.text === this.answer.text ? "translation" : "reference";
  }

  /** Say of which weights, layer, head, row and text the map is. */
  mapDetails() {
    const { map, answer } = this;
    const { step, hidden, hide } = answer.asked;
    const one = (what, number) => (number ? `${what} ${number}` : `mean of the ${what}s`);
    const details = step === null ? [] : [stepName(step)];
    if (map.layers > 1) details.push(one("layer", map.layer));
    if (map.heads > 1) details.push(one("head", map.head));
    details.push(`row that ${map.shift ? "reads" : "predicts"} the word`, `of the ${this.mapOf()}`);
    if (hidden.length) details.push(`${count(hidden.length, "word")} hidden (${hide})`);
    if (answer.given) details.push("with fixed words");
    return details.join(", ");
  }

  /** Return the name of a saved map, without the ending. */
  mapName() {
    const { map, run, answer } = this;
    const { step, hidden } = answer.asked;
    const one = (what, number) => `${what}-${number || "mean"}`;
    const parts = [run.name, map.method];
    if (step !== null) parts.push(step === 0 ? "untrained" : `step-${step}`);
    if (map.layers > 1) parts.push(one("layer", map.layer));
    if (map.heads > 1) parts.push(one("head", map.head));
    parts.push(map.shift ? "reads" : "predicts", this.mapOf());
    if (hidden.length) parts.push("hidden");
    if (answer.given) parts.push("fixed");
    return parts.join("-").replace(/[^\w.-]+/g, "-");
  }

  /** Return what is saved with the numbers of a map: all that makes it again. */
  mapContent() {
    const { map, run, answer } = this;
    const { step, text, hide } = answer.asked;
    return {
      version: page.version,
      run: run.name,
      step,
      source_text: text,
      hidden_words: answer.out,
      hide: answer.out.length ? (hide ?? "drop") : null,
      beam: answer.fields.beam ?? run.beam,
      prefix: answer.pieces.slice(0, answer.given),
      translation: answer.text,
      of: this.mapOf(),
      row: map.shift ? "reads the word" : "predicts the word",
      ...map,
      layer: map.layer || "mean",
      head: map.head || "mean",
    };
  }

  drawSaves() {
    const { map, run } = this;
    const name = this.mapName();
    const title = [`${run.name}, ${methodName(map.method)}`, this.mapDetails()];
    const button = (text, action) => {
      const one = element(
        "button",
        { type: "button", "aria-label": `Download ${text} of ${run.name}` },
        text,
      );
      one.addEventListener("click", action);
      return one;
    };
    this.saves.replaceChildren(
      "Download ",
      button("PNG", () =>
        savePng(name, title, map).catch(() => showError("The browser cannot draw this picture.")),
      ),
      " ",
      button("SVG", () => saveSvg(name, title, map)),
      " ",
      button("JSON", () => saveJson(name, this.mapContent())),
    );
    if (run.steps) this.drawMore();
  }

  drawMore() {
    const numbers = element(
      "button",
      { type: "button", "aria-label": `Show in numbers: the attention of ${this.run.name}` },
      "Show in numbers",
    );
    numbers.addEventListener("click", () => showNumbers(this, 0));
    this.more.replaceChildren(numbers);
  }
}
