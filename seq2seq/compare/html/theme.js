// Light and dark theme: that of the system, until the button of the page is pressed.

function startTheme() {
  const { dataset } = document.documentElement;
  const setDark = (dark) => {
    dataset.theme = dark ? "dark" : "light";
    $("#theme").setAttribute("aria-pressed", dark);
  };
  const system = matchMedia("(prefers-color-scheme: dark)");
  let pressed = false;
  setDark(system.matches);
  system.addEventListener("change", () => {
    if (!pressed) setDark(system.matches);
  });
  $("#theme").addEventListener("click", () => {
    pressed = true;
    setDark(dataset.theme === "light");
  });
}
