// A run in the page: what it asks of the server, and when.

const cards = [];

/** A run in the page. */
class Card extends CardView {
  /** Take the choices of a link. */
  restore(choices) {
    const { method, layer, head, shift, step, prefix } = choices ?? {};
    this.choices = {};
    if (this.run.methods.includes(method)) this.choices.method = method;
    for (const [key, value] of [
      ["layer", layer],
      ["head", head],
    ]) {
      if (whole(value) !== null) this.choices[key] = value;
    }
    // Without the slider there would be no way back to the best weights.
    if (this.hasSteps() && this.run.checkpoints.includes(step)) this.choices.step = step;
    if (typeof shift === "boolean") this.choices.shift = shift;
    const tokens = listed(prefix).filter((token) => whole(token) !== null);
    if (tokens.length) this.choices.prefix = tokens;
    this.drawSteps();
  }

  /** What every request for this run has. */
  asked() {
    const { step = null } = this.choices;
    return { run: this.number, step, ...askedSentence() };
  }

  /** Whether an answer is shown and is one for the sentence of now, not for an earlier one. */
  isCurrent(answer) {
    if (answer === null || this.answer !== answer) return false;
    return JSON.stringify(answer.asked) === JSON.stringify(this.asked());
  }

  view() {
    const { method = null, layer = null, head = null, shift = null } = this.choices;
    return { method, layer, head, shift };
  }

  /** Translate the sentence, then show the map of the reference if there are gold links. */
  async refresh() {
    this.aborter?.abort();
    this.aborter = new AbortController();
    const { signal } = this.aborter;
    this.node.setAttribute("aria-busy", "true");
    if (!this.isCurrent(this.answer)) this.closeAlternatives(); // they are of another sentence
    const gold = edited() ? null : state.given;
    const asked = this.asked();
    const out = sourceWords().flatMap(([text, hidden]) => (hidden ? [text] : []));
    try {
      const fields = { ...asked, view: this.view(), prefix: this.choices.prefix ?? [] };
      if (this.run.beam !== null && state.beam !== null) fields.beam = state.beam;
      if (gold) fields.reference = gold.reference;
      if (edited() && !(await this.readBase(signal))) return false;
      const answer = await ask("translate", fields, signal);
      if (!answer) return false;
      Object.assign(answer, { asked, fields, out });
      if (answer.map) answer.map.text = answer.text;
      this.show(answer, answer.map, answer.no_map);
      if (gold?.gold && answer.map && !(await this.score(answer, gold, signal))) return false;
      if (!edited() && !this.choices.prefix)
        this.base = { key: this.baseKey(), words: answer.words };
    } catch (problem) {
      this.fail(problem.message);
      if (problem.status === 401) throw problem;
    } finally {
      if (!signal.aborted) this.node.removeAttribute("aria-busy");
    }
    if (!signal.aborted) updateNumbers(this);
    return !signal.aborted;
  }

  /** Score the map of the reference, and show it if it is wanted; false if it was aborted. */
  async score(answer, { reference: target, gold }, signal) {
    try {
      const fields = { ...answer.asked, view: this.view(), target, gold };
      const forced = await ask("explain", fields, signal);
      if (!forced) return false;
      forced.map.text = target;
      const wanted = state.rows === "reference" || answer.text === target;
      this.show(answer, wanted ? forced.map : answer.map, null, forced.map.aer);
    } catch (problem) {
      this.show(answer, answer.map, problem.message);
    }
    return true;
  }

  baseKey() {
    return JSON.stringify([state.text, this.choices.step ?? null, state.beam]);
  }

  /** Translate the unedited sentence, to mark what an edit changes; false if it was aborted. */
  async readBase(signal) {
    const key = this.baseKey();
    if (this.base?.key === key) return true;
    const fields = { run: this.number, step: this.choices.step ?? null, text: state.text };
    if (this.run.beam !== null && state.beam !== null) fields.beam = state.beam;
    const answer = await ask("translate", fields, signal);
    if (answer) this.base = { key, words: wordsOf(answer.pieces) };
    return answer !== null;
  }

  fail(sentence) {
    this.empty();
    this.problem.textContent = ended(sentence);
    this.problem.hidden = false;
  }

  /** Remove the translation, and do not wait for another one. */
  clear() {
    this.aborter?.abort();
    this.node.removeAttribute("aria-busy");
    this.empty();
    updateNumbers(this);
  }

  empty() {
    Object.assign(this, { answer: null, map: null });
    for (const part of [
      this.words,
      this.strip,
      this.panel,
      this.facts,
      this.settings,
      this.figure,
      this.saves,
      this.more,
    ])
      part.replaceChildren();
    for (const part of [this.problem, this.note, this.best]) part.hidden = true;
  }

  show(answer, map, problem = null, aer = null) {
    const same = this.answer === answer;
    Object.assign(this, { answer, map });
    answer.words = wordsOf(answer.pieces);
    this.problem.hidden = !problem;
    this.problem.textContent = problem ? ended(problem) : "";
    const facts = [
      `${answer.seconds.toFixed(2)} s`,
      `log-probability ${fixed(answer.best[0].log_probability, 2)}`,
    ];
    if (answer.chrf !== undefined) facts.push(`chrF ${answer.chrf.toFixed(1)}`);
    if (aer !== null) facts.push(`AER ${aer.toFixed(2)}`);
    if (answer.cut) facts.push("has the maximum length, may be cut off");
    this.facts.textContent = facts.join(" · ");
    this.facts.title =
      "Time of the search; log-probability in nats; chrF of the translation; " +
      "alignment error rate of the map with the reference forced";
    if (!same) {
      this.drawWords();
      this.drawBest();
      this.closeAlternatives();
      this.note.hidden = !this.choices.prefix;
      if (this.choices.prefix) {
        const back = element("button", { type: "button" }, "Undo");
        back.addEventListener("click", () => this.force(null));
        this.note.replaceChildren(
          "You fixed the words before the line; the rest was decoded again. ",
          back,
        );
      }
    }
    this.drawSettings();
    this.drawMap();
  }

  wordKey(event) {
    const all = [...this.words.querySelectorAll(".target-word")];
    const step = arrowSteps(this.words)[event.key];
    const at = all.indexOf(document.activeElement);
    const to = event.key === "Home" ? 0 : event.key === "End" ? all.length - 1 : at + step;
    if (!(to >= 0 && to < all.length)) return;
    event.preventDefault();
    all[at]?.setAttribute("tabindex", "-1");
    all[to].setAttribute("tabindex", "0");
    all[to].focus();
  }

  /** Whether the focus may be moved: it is in this card, or nowhere. */
  hasFocus() {
    const { activeElement } = document;
    return activeElement === document.body || this.node.contains(activeElement);
  }

  /** List the alternatives of a word, unless another translation is on its way. */
  async openAlternatives(row) {
    const { answer } = this;
    if (!this.isCurrent(answer)) return;
    this.row = row;
    const { tokens, starts } = answer;
    const place = starts[row] ?? tokens.length;
    const wanted = () => this.row === row && this.isCurrent(answer);
    try {
      const found = await ask("alternatives", { ...answer.asked, tokens, place });
      if (wanted()) this.showAlternatives(found, place);
    } catch (problem) {
      if (!wanted()) return;
      this.panel.replaceChildren(element("p", { class: "problem" }, ended(problem.message)));
    }
  }

  showAlternatives(found, place) {
    const panel = alternativeList(this, found);
    const numbers = element(
      "button",
      { type: "button" },
      "Show the attention of this word in numbers",
    );
    numbers.addEventListener("click", () => showNumbers(this, place));
    panel.append(numbers);
    this.panel.replaceChildren(panel);
    if (this.hasFocus()) (panel.querySelector(".option:enabled") ?? numbers).focus();
  }

  closeAlternatives() {
    const inside = this.panel.contains(document.activeElement);
    this.panel.replaceChildren();
    if (inside && this.row !== null) this.words.querySelectorAll("button")[this.row]?.focus();
  }

  /** Decode again after given tokens; null removes them. */
  async force(prefix) {
    if (prefix) this.choices.prefix = prefix;
    else delete this.choices.prefix;
    await this.again();
    if (this.hasFocus()) this.words.querySelector("button")?.focus();
  }

  async again() {
    saveState();
    if (await this.refresh())
      say(`${this.run.name}: ${this.answer?.text ?? this.problem.textContent}`);
  }
}
