// Keep the page current: the stream reports a change, then the panels are fetched as the server renders them.
// The server renders the panels once per version and caches them, so thousands of pages cost it one rendering.
import { setConnection, setGenerated } from "./ages.js";
import { fetchPanels, showPanels } from "./panels.js";
import { follow } from "./stream.js";
import { addGame, showGames } from "./strip.js";

const SPREAD_MS = 400; // spreads the requests of all open pages
const MIN_INTERVAL_MS = 1000;
const POLL_MS = 5000;
const HIDDEN_MS = 30_000; // a hidden page then closes its stream: over HTTP/1.1 all tabs share six connections
const REFRESH_MS = 600_000; // "last 24 h" moves on even while no game is played

export function startLive(page) {
  const url = page.dataset.panelsUrl;
  let version = Number(page.dataset.version); // of the panels shown
  let newestVersion = 0; // the newest that the stream reported
  let timer = null; // of the next refresh
  let fetchedAt = 0;
  let polling = null;
  let reached = false; // the last poll reached the server
  let hiddenTimer = null;
  let closed = false;

  // Return true if the server responded.
  const refresh = async () => {
    timer = null;
    fetchedAt = Date.now();
    const fetched = await fetchPanels(url);
    if (fetched) show(fetched);
    const responded = fetched !== null && !fetched.stored;
    if (!responded) refreshLater();
    return responded;
  };

  const show = (fetched) => {
    showPanels(fetched.panels);
    showGames();
    setGenerated(fetched.generated_at);
    if (fetched.version) {
      version = fetched.version;
      if (version < newestVersion && !fetched.stored) refreshSoon(); // rendered just before the last change
    }
  };

  const refreshSoon = () => {
    if (timer !== null || document.hidden) return;
    const wait = Math.max(fetchedAt + MIN_INTERVAL_MS - Date.now(), 0) + Math.random() * SPREAD_MS;
    timer = setTimeout(refresh, wait);
  };

  // Retry a failed refresh; not needed while polling, which repeats anyway.
  const refreshLater = () => {
    if (timer === null && polling === null && !document.hidden) timer = setTimeout(refresh, POLL_MS);
  };

  const poll = async () => {
    if (document.hidden) return;
    reached = await refresh();
    if (polling !== null) setConnection(reached ? "polling" : navigator.onLine ? "lost" : "offline");
  };

  const startPolling = () => {
    if (polling === null) polling = setInterval(poll, POLL_MS);
  };

  const stopPolling = () => {
    clearInterval(polling);
    polling = null;
    reached = false;
  };

  const stream = follow({
    onOpen: () => {
      stopPolling();
      setConnection("live");
    },
    onSnapshot: (snapshot) => {
      newestVersion = snapshot.version;
      if (newestVersion !== version) refreshSoon();
    },
    onGame: addGame,
    onChange: (change) => {
      newestVersion = change.version;
      refreshSoon();
    },
    onLost: () => {
      // While polling reaches the server, the data stay as fresh as before.
      if (!reached) setConnection(navigator.onLine ? "lost" : "offline");
      startPolling();
    },
  });

  const closeStream = () => {
    closed = true;
    stream.close();
  };

  const closeStreamLater = () => {
    hiddenTimer = setTimeout(closeStream, HIDDEN_MS);
  };

  setInterval(refreshSoon, REFRESH_MS);
  if (document.hidden) closeStreamLater(); // the page was opened in the background
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hiddenTimer);
    if (document.hidden) {
      closeStreamLater();
    } else {
      if (closed) stream.open();
      closed = false;
      refreshSoon(); // nothing was fetched while the page was hidden
    }
  });
}
