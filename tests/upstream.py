"""A local HTTP server that speaks BC.Game's history format (docs/feeds.md), which can be made to fail in many ways."""

import json
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from games.rounds import Round

CLOUDFLARE = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>Checking</body></html>"
HANG_SECONDS = 30  # the longest a handler hangs; clients give up long before
TRICKLE_SECONDS = 0.02


@dataclass
class Upstream:
    """A context manager. Attributes that are set take effect with the next request.

    `misbehave` holds the names of the faults of the next responses, oldest first; None means a good response.
    `before` is called with the page number before a page is built, to let games end while the feed reads pages.
    """

    rounds: list[Round] = field(default_factory=list)  # oldest first
    shape: str = "list"
    ids_as: type = str
    rates_as: type = str
    page_size: int | None = None  # None: the size that the request names
    deepest_page: int = 1_000_000
    broken: dict[int, object] = field(default_factory=dict)  # id -> the value instead of its row
    misbehave: deque = field(default_factory=deque)
    before: Callable[[int], None] = lambda page: None

    def __post_init__(self):
        self.requests: list[dict] = []
        self.arrived = threading.Event()
        self._release = threading.Event()

    def __enter__(self):
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exception):
        self._release.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/api/game/bet/multi/history"

    @property
    def pages(self) -> list[int]:
        """The requested pages since the last access, in order."""
        pages = [request["page"] for request in self.requests]
        self.requests.clear()
        return pages

    def respond(self, handler: BaseHTTPRequestHandler) -> None:
        request = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        self.requests.append(request)
        self.arrived.set()
        fault = self.misbehave.popleft() if self.misbehave else None
        if fault is not None:
            getattr(self, f"_{fault}")(handler)
            return
        self.before(request["page"])
        _send(handler, json.dumps(self._history(request["page"], self.page_size or request["pageSize"])).encode())

    def _history(self, page: int, size: int) -> dict:
        newest_first = self.rounds[::-1] if page <= self.deepest_page else []
        rows = [self._row(round_) for round_ in newest_first[(page - 1) * size : page * size]]
        return {"code": 0, "msg": None, "data": {"page": page, "pageSize": size, "total": 0, self.shape: rows}}

    def _row(self, round_: Round) -> object:
        if round_.game_id in self.broken:
            return self.broken[round_.game_id]
        detail = {
            "hash": round_.hash,
            "salt": "not ours to read",
            "rate": self.rates_as(f"{round_.crash_hundredths / 100:.2f}"),
            "prepareTime": _ms(round_.prepare_time),
            "beginTime": _ms(round_.begin_time),
            "endTime": _ms(round_.end_time),
        }
        return {"gameId": self.ids_as(round_.game_id), "gameDetail": json.dumps(detail), "status": 1, "currency": "USD"}

    def _cloudflare(self, handler):
        _send(handler, CLOUDFLARE, status=403, content_type="text/html")

    def _forbidden(self, handler):
        _send(handler, b"<h1>No</h1>", status=403, content_type="text/html")

    def _error(self, handler):
        _send(handler, b"<h1>Internal Server Error</h1>", status=500, content_type="text/html")

    def _code(self, handler):
        _send(handler, b'{"code":10005,"msg":"too\\nmany","data":null}')

    def _html(self, handler):
        _send(handler, b"<html>Maintenance</html>", content_type="text/html")

    def _nested(self, handler):
        _send(handler, b'{"code":0,"data":{"list":' + b"[" * 100_000)

    def _shapeless(self, handler):
        _send(handler, b'{"code":0,"data":{"rows":[]}}')

    def _drop(self, handler):
        handler.connection.close()

    def _hang(self, handler):
        self._release.wait(HANG_SECONDS)

    def _trickle(self, handler):
        _head(handler, 200, "application/json", 1_000_000)
        while not self._release.wait(TRICKLE_SECONDS):
            handler.wfile.write(b" ")

    def _huge(self, handler):
        _send(handler, b" " * (3 * 1024 * 1024))


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """Ignore errors: many tests are about clients that disconnect."""


def _handler(upstream: Upstream) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            with suppress(ConnectionError):
                upstream.respond(self)

        def log_message(self, *message):
            pass

    return Handler


def _send(handler, body: bytes, status: int = 200, content_type: str = "application/json") -> None:
    _head(handler, status, content_type, len(body))
    handler.wfile.write(body)


def _head(handler, status: int, content_type: str, length: int) -> None:
    handler.send_response(status)
    handler.send_header("Content-Type", content_type)
    handler.send_header("Content-Length", str(length))
    handler.end_headers()


def _ms(time: datetime | None) -> int:
    return 0 if time is None else round(time.timestamp() * 1000)
