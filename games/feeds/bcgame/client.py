"""One page of BC.Game's history over HTTP: bounded in time and size, tried again where that can help."""

import re
import time

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential
from tenacity.stop import stop_base

from games.feeds.base import FeedTrouble
from games.feeds.bcgame.format import Page, parse_page, shorten
from games.feeds.shutdown import Stop

PAGE_SIZE = 50
MAX_BODY_BYTES = 2 * 1024 * 1024  # fifty rounds are about 20 KB
READ_SECONDS = 10.0  # without a byte
ANSWER_SECONDS = 20.0  # altogether, however it trickles
ATTEMPTS = 4
RETRY_SECONDS = 0.5  # waits are random up to 0.5, 1, 2 s: clients that failed together do not return together
RETRY_BOUND_SECONDS = 8.0

_CHALLENGE = re.compile(rb"<title>\s*Just a moment\.\.\.\s*</title>", re.IGNORECASE)


class Unreachable(FeedTrouble):
    """Passing trouble: the network, a timeout, a server error."""


class Refused(FeedTrouble):
    """The site does not want us now; asking again at once makes it worse."""


class HistoryClient:
    def __init__(
        self, url: str, stop: Stop, *, read_seconds: float = READ_SECONDS, answer_seconds: float = ANSWER_SECONDS
    ) -> None:
        self._url = url
        self._answer_seconds = answer_seconds
        self._http = httpx.Client(
            timeout=httpx.Timeout(read_seconds, connect=min(5.0, read_seconds)),
            headers={"Accept": "application/json", "User-Agent": "crash-monitor"},
        )
        self._retrying = Retrying(
            retry=retry_if_exception_type(Unreachable),
            stop=stop_after_attempt(ATTEMPTS) | _Stopped(stop),
            wait=wait_random_exponential(multiplier=RETRY_SECONDS, max=RETRY_BOUND_SECONDS),
            sleep=stop.wait,
            reraise=True,
        )

    def page(self, number: int) -> Page:
        """Page 1 is the newest. Raises FeedTrouble: Unreachable after ATTEMPTS, Refused and unreadable at once."""
        return parse_page(self._retrying(self._post, {"gameUrl": "crash", "page": number, "pageSize": PAGE_SIZE}))

    def close(self) -> None:
        self._http.close()

    def _post(self, question: dict[str, object]) -> bytes:
        deadline = time.monotonic() + self._answer_seconds
        try:
            with self._http.stream("POST", self._url, json=question) as answer:
                body = self._read(answer, deadline)
        except httpx.RequestError as error:
            raise Unreachable(f"does not answer: {type(error).__name__} {shorten(error)}".rstrip()) from error
        return _accepted(answer, body)

    def _read(self, answer: httpx.Response, deadline: float) -> bytes:
        body = bytearray()
        for chunk in answer.iter_bytes():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise Refused(f"answers more than {MAX_BODY_BYTES:,} bytes")
            if time.monotonic() > deadline:
                raise Unreachable(f"takes longer than {self._answer_seconds:g} s to answer")
        return bytes(body)


def _accepted(answer: httpx.Response, body: bytes) -> bytes:
    # Before the status: Cloudflare sends its challenge with 403, formerly with 503, and in front of anything.
    # The header: https://developers.cloudflare.com/cloudflare-challenges/challenge-types/challenge-pages/detect-response/
    if answer.headers.get("cf-mitigated") == "challenge" or _CHALLENGE.search(body):
        raise Refused("refuses: Cloudflare")
    if answer.is_server_error:
        raise Unreachable(f"does not answer: HTTP {answer.status_code}")
    if answer.status_code != httpx.codes.OK:
        raise Refused(f"refuses: HTTP {answer.status_code}")
    return body


class _Stopped(stop_base):
    def __init__(self, stop: Stop) -> None:
        self._stop = stop

    def __call__(self, retry_state: RetryCallState) -> bool:
        return self._stop.is_set()
