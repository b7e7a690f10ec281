// The page: header, selection of the test set, light and dark theme.

function drawTest(index) {
  const test = report.tests[index];
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
  drawSentences(index);
}

function start() {
  document.title = report.title;
  $("h1").textContent = report.title;
  $("#verdict").replaceChildren(...(report.verdict ?? []).map((text) => element("p", {}, text)));
  const languages = report.source && report.target ? `${report.source} → ${report.target}, ` : "";
  const seeds = report.runs.length > systems.length ? `, ${count(report.runs.length, "run")}` : "";
  $("#subtitle").textContent = `${languages}${count(systems.length, "system")}${seeds}`;
  $("#tests").append(...report.tests.map((test, index) => {
    const radio = element("input", { type: "radio", name: "test", value: index });
    radio.checked = index === 0;
    radio.addEventListener("input", () => drawTest(index));
    const lines = element("small", {}, count(test.lines, "line"));
    return element("label", {}, radio, element("span", {}, test.name), lines);
  }));
  $("#provenance .tables").replaceChildren(
    ...configuration(report.configuration),
    table("Runs", report.provenance.head, withSigns(report.provenance.rows)),
  );
  $("#provenance .notes").replaceChildren(...report.notes.map((note) => element("li", {}, note)));

  startTheme();
  startSentences();
  if (report.tests.length) drawTest(0);
}

start();
