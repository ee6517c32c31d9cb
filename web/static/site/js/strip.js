// Games that have just ended, before their panels are there: their verdicts follow with them.
const SIZES = [
  [100, "huge"],
  [10, "big"],
  [2, "middle"],
  [0, "small"],
];
const POINT = new Intl.NumberFormat("en-GB", { minimumFractionDigits: 2, maximumFractionDigits: 2 });

const HEARD_AT_MOST = 100; // while nobody looks no panels are fetched, and none of these forgotten

const heard = new Map(); // id -> { point, ended }: games that the panels did not hold when they were last shown

// A `game` event of the stream.
export function hearGame({ game_id: id, crash_point: point, end_time: ended, change }) {
  if (change === "new") {
    heard.set(id, { point, ended });
    if (heard.size > HEARD_AT_MOST) heard.delete(heard.keys().next().value);
    if (show(id, { point, ended })) document.querySelector("[data-announce]").textContent = `Game ${id}: ${textOf(point)}`;
  } else {
    heard.delete(id); // the panels will tell
  }
}

// Panels may be a moment older than what was heard since they were asked for.
export function showHeard() {
  const newest = newestShown();
  for (const id of [...heard.keys()].sort((one, other) => one - other)) {
    if (id <= newest) heard.delete(id);
    else show(id, heard.get(id));
  }
}

// False for a game older than the newest: it takes its place with the panels.
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
  latest.querySelector("[data-latest-verdict]").textContent = "\u00a0"; // not before the panels tell it
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

// In the page's zone, as the server writes it.
function clockOf(iso) {
  const timeZone = zone();
  return `${new Date(iso).toLocaleTimeString("en-GB", { timeZone })} ${timeZone}`;
}

// A chip has room for so much.
function shortOf(point) {
  return point < 1000 ? textOf(point) : `${Math.floor(point).toLocaleString("en-GB")}\u00d7`;
}

function textOf(point) {
  return `${POINT.format(point)}\u00d7`;
}
