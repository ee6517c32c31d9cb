// Replace panels by what the server renders, and keep the focus, open details and scroll positions.
const shown = new Map();

// Return the panels, or null if the request fails. `stored` is true if the service worker responded from its cache.
export async function fetchPanels(url) {
  try {
    // no-cache: revalidate by the ETag; the browser's own copy may be a second older than the event that led here
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
