// Keeps the page true: the stream says that something changed, the panels are fetched as the server renders them.
// A version has one answer, which the server keeps ready; so thousands of pages cost it one rendering.
import { setConnection, setGenerated } from "./ages.js";
import { fetchPanels, showPanels } from "./panels.js";
import { follow } from "./stream.js";
import { hearGame, showHeard } from "./strip.js";

const SPREAD_MS = 400; // pages do not all ask in the same millisecond
const AT_MOST_EVERY_MS = 1000;
const POLL_MS = 5000;
const UNSEEN_MS = 30_000; // then the stream ends: over HTTP/1.1 a browser has six connections for all its tabs
const ANYWAY_MS = 600_000; // "last 24 h" moves on where no game is played, too

export function startLive(page) {
  const url = page.dataset.panelsUrl;
  let version = Number(page.dataset.version); // of what is shown
  let told = 0; // the newest that the stream spoke of
  let due = null;
  let asked = 0;
  let polling = null;
  let reached = false; // by the last poll
  let unseen = null;
  let left = false;

  // Whether the server answered.
  const refresh = async () => {
    due = null;
    asked = Date.now();
    const answer = await fetchPanels(url);
    if (answer) show(answer);
    const reached = answer !== null && !answer.stored;
    if (!reached) refreshLater();
    return reached;
  };

  const show = (answer) => {
    showPanels(answer.panels);
    showHeard();
    setGenerated(answer.generated_at);
    if (answer.version) {
      version = answer.version;
      if (version < told && !answer.stored) refreshSoon(); // rendered just before the last change
    }
  };

  const refreshSoon = () => {
    if (due !== null || document.hidden) return;
    const wait = Math.max(asked + AT_MOST_EVERY_MS - Date.now(), 0) + Math.random() * SPREAD_MS;
    due = setTimeout(refresh, wait);
  };

  // Polls come by themselves.
  const refreshLater = () => {
    if (due === null && polling === null && !document.hidden) due = setTimeout(refresh, POLL_MS);
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
      told = snapshot.version;
      if (told !== version) refreshSoon();
    },
    onGame: hearGame,
    onChange: (change) => {
      told = change.version;
      refreshSoon();
    },
    onLost: () => {
      if (!reached) setConnection(navigator.onLine ? "lost" : "offline"); // else what is shown is as fresh as it was
      startPolling();
    },
  });

  const leave = () => {
    left = true;
    stream.close();
  };

  const leaveLater = () => {
    unseen = setTimeout(leave, UNSEEN_MS);
  };

  setInterval(refreshSoon, ANYWAY_MS);
  if (document.hidden) leaveLater(); // opened in the background
  document.addEventListener("visibilitychange", () => {
    clearTimeout(unseen);
    if (document.hidden) {
      leaveLater();
    } else {
      if (left) stream.open();
      left = false;
      refreshSoon(); // nothing was fetched while nobody looked
    }
  });
}
