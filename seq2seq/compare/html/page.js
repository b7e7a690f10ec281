// The page: its head, the choice of a test set, light and dark.

function drawTest(nth) {
  const test = report.tests[nth];
  $("#summary .notes").replaceChildren(...test.notes.map((note) => element("li", {}, note)));
  $("#summary .tables").replaceChildren(...test.tables.map(summary));
  $("#matrices .tables").replaceChildren(...test.matrices.map(matrix));
  $("#matrices").hidden = !test.matrices.length;
  $('nav a[href="#matrices"]').hidden = !test.matrices.length;
  $('nav a[href="#curves"]').hidden = !test.curves.length;
  $("#words .folded").replaceChildren(...test.words.map(folded));
  $("#words").hidden = !test.words.length;
  $('nav a[href="#words"]').hidden = !test.words.length;
  drawCurves(test.curves);
  drawSentences(nth);
}

function start() {
  document.title = report.title;
  $("h1").textContent = report.title;
  $("#verdict").textContent = (report.verdict ?? []).join(" ");
  const languages = report.source && report.target ? `${report.source} → ${report.target}, ` : "";
  const seeds = report.runs.length > systems.length ? `, ${count(report.runs.length, "run")}` : "";
  $("#subtitle").textContent = `${languages}${count(systems.length, "system")}${seeds}`;
  $("#tests").append(...report.tests.map((test, nth) => {
    const radio = element("input", { type: "radio", name: "test", value: nth });
    radio.checked = nth === 0;
    radio.addEventListener("input", () => drawTest(nth));
    const lines = element("small", {}, count(test.lines, "line"));
    return element("label", {}, radio, element("span", {}, test.name), lines);
  }));
  $("#provenance .tables").replaceChildren(
    ...configuration(report.configuration),
    table("Runs", report.provenance.head, withSigns(report.provenance.rows)),
  );
  $("#provenance .notes").replaceChildren(...report.notes.map((note) => element("li", {}, note)));

  const { dataset } = document.documentElement;
  const dark = (yes) => {
    dataset.theme = yes ? "dark" : "light";
    $("#theme").setAttribute("aria-pressed", yes);
  };
  const system = matchMedia("(prefers-color-scheme: dark)");
  dark(system.matches);
  system.addEventListener("change", () => dark(system.matches));
  $("#theme").addEventListener("click", () => dark(dataset.theme === "light"));

  startSentences();
  if (report.tests.length) drawTest(0);
}

start();
