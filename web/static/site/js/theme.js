// Not a module: it runs before the first paint, so that no page flashes in the wrong colour scheme.
(() => {
  const stored = localStorage.getItem("theme");
  if (stored === "light" || stored === "dark") document.documentElement.dataset.theme = stored;
})();
