// Helpers for any page: elements, tables, numbers with units.

const $ = (selector) => document.querySelector(selector);

/** Create an element; children are elements or text, never markup. */
function element(name, attributes = {}, ...children) {
  const created = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null) created.setAttribute(key, value);
  }
  created.append(...children);
  return created;
}

const count = (number, unit) => `${number.toLocaleString("en")} ${unit}${number === 1 ? "" : "s"}`;

/** Create a table that scrolls horizontally if the page is too narrow. */
function table(title, head, rows, className = "") {
  const body = rows.map(([first, ...cells]) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, first),
      ...cells.map((cell) => (cell instanceof Element ? cell : element("td", {}, cell))),
    ),
  );
  const columns = head.map((cell) => element("th", { scope: "col" }, cell));
  const drawn = element(
    "table",
    { class: className },
    element("caption", {}, title),
    element("thead", {}, element("tr", {}, ...columns)),
    element("tbody", {}, ...body),
  );
  const attributes = { class: "scroll", role: "region", tabindex: "0", "aria-label": title };
  return element("div", attributes, drawn);
}
