// The state of the page's connection in words, with the age of the data when they are not live.
const TEXTS = {
  live: () => "Live",
  polling: () => "Polling every 5 s",
  lost: (age) => `Reconnecting, data ${age} old`,
  offline: (age) => `Offline, data ${age} old`,
};

let page;
let state = "server";

export function startAges(root) {
  page = root;
  setInterval(show, 1000);
}

// Show the state of the connection. `name`: live, polling, lost or offline.
export function setConnection(name) {
  state = name;
  show();
}

// Set the time at which the data shown were computed.
export function setGenerated(iso) {
  page.dataset.generatedAt = iso;
  show();
}

function show() {
  if (state === "server") return;
  const shown = document.querySelector("[data-connection]");
  const seconds = Math.max(0, Math.round((Date.now() - Date.parse(page.dataset.generatedAt)) / 1000));
  shown.dataset.connection = state === "offline" ? "lost" : state;
  const text = TEXTS[state](inWords(seconds));
  const place = shown.querySelector("[data-connection-text]");
  if (place.textContent !== text) place.textContent = text;
}

function inWords(seconds) {
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3600)} h`;
}
