// What else a target word could be: the ten likeliest tokens, any of which can be chosen.

const SPACE = "\u2581"; // begins a word in the pieces of SentencePiece

const probabilityText = (value) =>
  value >= 0.0995
    ? `${(100 * value).toFixed(0)} %`
    : value >= 0.00095
      ? `${(100 * value).toFixed(1)} %`
      : "< 0.1 %";

/** Return a piece as text: a space at the beginning of a word is left out. */
function pieceText(piece) {
  const text = piece.replaceAll(SPACE, " ").trim();
  return text === "" ? "␣" : text;
}

/** Create the list of alternatives of a target word of a card. */
function alternativeList(card, found) {
  const rows = found.alternatives.map(({ token, piece, rest, probability }) => {
    const word = element("span", { class: "alternative", dir: "auto" }, pieceText(piece));
    if (rest) word.append(element("span", { class: "rest" }, rest));
    const bar = element("span", { class: "bar", "aria-hidden": "true" });
    bar.style.setProperty("--share", probability);
    const attributes = { type: "button", class: "option" };
    if (token === found.taken) attributes["aria-current"] = "true";
    const option = element(
      "button",
      attributes,
      word,
      bar,
      element("span", { class: "share" }, probabilityText(probability)),
    );
    option.disabled = !found.can_choose;
    option.addEventListener("click", () => card.force([...found.given, token]));
    return element("li", {}, option);
  });
  const before = found.given.length ? "" : ", at the beginning";
  const note = found.can_choose
    ? "Choose one to decode the rest again. The grey part of a word is what the model would add."
    : `${card.run.name} predicts all words at once, so none can be chosen.`;
  const close = element("button", { type: "button", class: "close", "aria-label": "Close" }, "×");
  close.addEventListener("click", () => card.closeAlternatives());
  const panel = element(
    "div",
    { class: "alternatives", role: "group", "aria-label": `Alternatives${before}` },
    element("h4", {}, "Alternatives", close),
    element("ol", {}, ...rows),
    element("p", { class: "note" }, note),
  );
  panel.addEventListener("keydown", (event) => {
    const options = [...panel.querySelectorAll(".option:enabled")];
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") card.closeAlternatives();
    if (!step || !options.length) return;
    event.preventDefault();
    const at = options.indexOf(document.activeElement);
    options[(at + step + options.length) % options.length].focus();
  });
  return panel;
}
