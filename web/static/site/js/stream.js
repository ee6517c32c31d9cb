// The live stream. The browser reconnects by itself and sends the last id it heard; where it gives up, we try again.
const AGAIN_MS = 5000;

// Begins at once. Returns { open, close }: what was missed while it was closed is told when it is opened again.
export function follow({ onOpen, onSnapshot, onGame, onChange, onLost }) {
  let last = null;
  let source = null;
  let again = null;

  const close = () => {
    clearTimeout(again);
    source?.close();
    source = null;
  };

  const open = () => {
    close();
    source = new EventSource(last ? `/api/stream/?last_event_id=${encodeURIComponent(last)}` : "/api/stream/");
    source.addEventListener("open", onOpen);
    source.addEventListener("error", () => {
      onLost();
      if (source.readyState === EventSource.CLOSED) again = setTimeout(open, AGAIN_MS);
    });
    source.addEventListener("snapshot", (event) => onSnapshot(heard(event)));
    source.addEventListener("game", (event) => onGame(heard(event)));
    source.addEventListener("analytics", (event) => onChange(heard(event)));
    source.addEventListener("reset", () => {
      last = null;
    });
    source.addEventListener("degraded", onLost);
    source.addEventListener("resumed", onOpen);
  };

  const heard = (event) => {
    if (event.lastEventId) last = event.lastEventId;
    return JSON.parse(event.data);
  };

  open();
  return { open, close };
}
