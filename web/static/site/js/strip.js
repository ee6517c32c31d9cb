// Show games that have just ended before the panels that contain them arrive. Their verdicts come with the panels.
const SIZES = [
  [100, "huge"],
  [10, "big"],
  [2, "middle"],
  [0, "small"],
];
const POINT = new Intl.NumberFormat("en-GB", { minimumFractionDigits: 2, maximumFractionDigits: 2 });

const MAX_PENDING = 100; // a hidden page fetches no panels, so nothing removes games from the map

const pending = new Map(); // id -> { point, ended }: games that the panels last shown did not contain

// Handle a `game` event of the stream.
export function addGame({ game_id: id, crash_point: point, end_time: ended, change }) {
  if (change === "new") {
    pending.set(id, { point, ended });
    if (pending.size > MAX_PENDING) pending.delete(pending.keys().next().value);
    if (show(id, { point, ended })) document.querySelector("[data-announce]").textContent = `Game ${id}: ${textOf(point)}`;
  } else {
    pending.delete(id); // the next panels show the correction
  }
}

// Show the pending games again after the panels were replaced, which may be older than the last events.
export function showGames() {
  const newest = newestShown();
  for (const id of [...pending.keys()].sort((one, other) => one - other)) {
    if (id <= newest) pending.delete(id);
    else show(id, pending.get(id));
  }
}

// Return false for a game older than the newest one shown: the panels will show it in its place.
function show(id, { point, ended }) {
  const strip = document.querySelector("[data-strip]");
  if (!strip || id <= newestShown()) return false;
  strip.prepend(chip(id, point));
  strip.lastElementChild.remove();
  const latest = document.querySelector("[data-latest]");
  latest.className = `latest ${sizeOf(point)}`;
  latest.href = pageOf(id);
  latest.dataset.latest = id;
  latest.querySelector("[data-latest-point]").textContent = textOf(point);
  latest.querySelector("[data-latest-id]").textContent = id;
  latest.querySelector("[data-latest-time]").textContent = ended ? clockOf(ended) : "";
  latest.querySelector("[data-latest-verdict]").textContent = "\u00a0"; // the verdict comes with the panels
  return true;
}

function newestShown() {
  return Number(document.querySelector("[data-strip] [data-game]")?.dataset.game ?? 0);
}

function chip(id, point) {
  const link = Object.assign(document.createElement("a"), {
    className: `chip new ${sizeOf(point)}`,
    href: pageOf(id),
  });
  link.dataset.game = id;
  link.append(Object.assign(document.createElement("b"), { textContent: shortOf(point) }));
  const item = document.createElement("li");
  item.append(link);
  return item;
}

function sizeOf(point) {
  return SIZES.find(([least]) => point >= least)[1];
}

function zone() {
  return document.querySelector("[data-zone]").dataset.zone;
}

function pageOf(id) {
  return `/games/${id}/${zone() === "UTC" ? "" : `?tz=${encodeURIComponent(zone())}`}`;
}

// Return the time in the page's zone, written as the server writes it.
function clockOf(iso) {
  const timeZone = zone();
  return `${new Date(iso).toLocaleTimeString("en-GB", { timeZone })} ${timeZone}`;
}

// Return the text for a chip, which has room for fewer digits.
function shortOf(point) {
  return point < 1000 ? textOf(point) : `${Math.floor(point).toLocaleString("en-GB")}\u00d7`;
}

function textOf(point) {
  return `${POINT.format(point)}\u00d7`;
}
