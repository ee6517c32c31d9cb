// Panels as the server renders them, put in place without moving the reader: focus, open details and scrolling stay.
const shown = new Map();

// Null when nobody answers; `stored` when it was the service worker, with what the server said last.
export async function fetchPanels(url) {
  try {
    // no-cache: ask again with the ETag; what the browser keeps for a second would be older than what the stream said
    const response = await fetch(url, { headers: { Accept: "application/json" }, cache: "no-cache" });
    return response.ok ? { ...(await response.json()), stored: response.headers.has("X-Stored") } : null;
  } catch {
    return null;
  }
}

export function showPanels(panels) {
  for (const [name, html] of Object.entries(panels)) {
    const place = document.querySelector(`[data-panel="${CSS.escape(name)}"]`);
    if (place && shown.get(name) !== html) {
      replace(place, html);
      shown.set(name, html);
    }
  }
}

function replace(place, html) {
  const focused = place.contains(document.activeElement) ? keyOf(document.activeElement) : null;
  const open = [...place.querySelectorAll("details[open]")].map((one) => one.dataset.key);
  const scrolled = [...place.querySelectorAll(".scroll, .strip")].map((one) => [one.scrollLeft, one.scrollTop]);
  place.innerHTML = html;
  for (const key of open) place.querySelector(`details[data-key="${CSS.escape(key)}"]`)?.setAttribute("open", "");
  place.querySelectorAll(".scroll, .strip").forEach((one, i) => {
    if (scrolled[i]) [one.scrollLeft, one.scrollTop] = scrolled[i];
  });
  if (focused) place.querySelector(focused)?.focus({ preventScroll: true });
}

function keyOf(element) {
  const key = element.dataset.key ?? element.parentElement?.dataset.key;
  if (key) return `[data-key="${CSS.escape(key)}"]${element.dataset.key ? "" : " > summary"}`;
  return element.getAttribute("aria-label") ? `[aria-label="${CSS.escape(element.getAttribute("aria-label"))}"]` : null;
}
