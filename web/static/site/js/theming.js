// The button switches between system, light and dark.
const NAMES = ["system", "light", "dark"];

export function startTheme() {
  const button = document.querySelector("[data-theme-switch]");
  const label = button?.querySelector("[data-theme-name]");
  if (!button || !label) return;
  const show = () => {
    label.textContent = `Theme: ${document.documentElement.dataset.theme ?? "system"}`;
  };
  button.addEventListener("click", () => {
    const next = NAMES[(NAMES.indexOf(document.documentElement.dataset.theme ?? "system") + 1) % NAMES.length];
    if (next === "system") {
      delete document.documentElement.dataset.theme;
      localStorage.removeItem("theme");
    } else {
      document.documentElement.dataset.theme = next;
      localStorage.setItem("theme", next);
    }
    show();
  });
  show();
  button.hidden = false;
}
