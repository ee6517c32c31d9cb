// The live stream. The browser reconnects by itself and sends the last id it received; if it gives up, we retry.
const RETRY_MS = 5000;

// Open the stream at once. Return { open, close }: opened again, it sends the events missed while it was closed.
export function follow({ onOpen, onSnapshot, onGame, onChange, onLost }) {
  let last = null;
  let source = null;
  let retry = null;

  const close = () => {
    clearTimeout(retry);
    source?.close();
    source = null;
  };

  const open = () => {
    close();
    source = new EventSource(last ? `/api/stream/?last_event_id=${encodeURIComponent(last)}` : "/api/stream/");
    source.addEventListener("open", onOpen);
    source.addEventListener("error", () => {
      onLost();
      if (source.readyState === EventSource.CLOSED) retry = setTimeout(open, RETRY_MS);
    });
    source.addEventListener("snapshot", (event) => onSnapshot(parse(event)));
    source.addEventListener("game", (event) => onGame(parse(event)));
    source.addEventListener("analytics", (event) => onChange(parse(event)));
    source.addEventListener("reset", () => {
      last = null;
    });
    source.addEventListener("degraded", onLost);
    source.addEventListener("resumed", onOpen);
  };

  const parse = (event) => {
    if (event.lastEventId) last = event.lastEventId;
    return JSON.parse(event.data);
  };

  open();
  return { open, close };
}
