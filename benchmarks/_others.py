"""Another client, who asks a server for something all the while."""

import http.client
import threading
import time
from statistics import quantiles

EVERY_SECONDS = 0.005
PATIENCE_SECONDS = 30.0


class Others:
    """One kept connection, in a thread: how long each answer took. A bare client, which takes little from the server's
    cores. Raises AssertionError at the end when an answer was not 200."""

    def __init__(self, port: int, path: str) -> None:
        self.milliseconds: list[float] = []
        self._port = port
        self._path = path
        self._refused: list[int] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> "Others":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()
        assert not self._refused, f"answers other than 200: {self._refused}"

    @property
    def p50(self) -> float:
        return quantiles(self.milliseconds, n=100)[49]

    @property
    def p99(self) -> float:
        return quantiles(self.milliseconds, n=100)[98]

    def _ask(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE_SECONDS)
        while not self._stop.wait(EVERY_SECONDS):
            asked = time.monotonic()
            connection.request("GET", self._path)
            response = connection.getresponse()
            response.read()
            self.milliseconds.append((time.monotonic() - asked) * 1000)
            if response.status != 200:
                self._refused.append(response.status)
        connection.close()
