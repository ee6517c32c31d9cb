"""A client that sends requests all the time while something else is measured."""

import http.client
import threading
import time
from statistics import quantiles

INTERVAL_SECONDS = 0.005
TIMEOUT_SECONDS = 30.0


class BackgroundClient:
    """Sends requests over one keep-alive connection in a thread, and stores how long each response took.

    It is a bare client, which takes little from the server's cores. Raises AssertionError at the end if a response was
    not 200.
    """

    def __init__(self, port: int, path: str) -> None:
        self.milliseconds: list[float] = []
        self._port = port
        self._path = path
        self._failed_statuses: list[int] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send_requests)

    def __enter__(self) -> "BackgroundClient":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()
        assert not self._failed_statuses, f"responses other than 200: {self._failed_statuses}"

    @property
    def p50(self) -> float:
        return quantiles(self.milliseconds, n=100)[49]

    @property
    def p99(self) -> float:
        return quantiles(self.milliseconds, n=100)[98]

    def _send_requests(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=TIMEOUT_SECONDS)
        while not self._stop.wait(INTERVAL_SECONDS):
            sent = time.monotonic()
            connection.request("GET", self._path)
            response = connection.getresponse()
            response.read()
            self.milliseconds.append((time.monotonic() - sent) * 1000)
            if response.status != 200:
                self._failed_statuses.append(response.status)
        connection.close()
