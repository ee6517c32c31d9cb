"""HTTP client for BC.Game's history: bounded in time and size, with retries for temporary failures."""

import re
import time

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential
from tenacity.stop import stop_base

from games.feeds.base import FeedError
from games.feeds.bcgame.format import Page, parse_page, shorten
from games.feeds.shutdown import StopFlag

PAGE_SIZE = 50
MAX_BODY_BYTES = 2 * 1024 * 1024  # fifty rounds are about 20 KB
READ_TIMEOUT_SECONDS = 10.0  # without a byte
TOTAL_TIMEOUT_SECONDS = 20.0  # for the whole response, however slowly it arrives
ATTEMPTS = 4
RETRY_WAIT_SECONDS = 0.5  # waits are random, up to 0.5, 1, 2 s, so that clients do not retry all at the same moment
MAX_RETRY_WAIT_SECONDS = 8.0

_CHALLENGE = re.compile(rb"<title>\s*Just a moment\.\.\.\s*</title>", re.IGNORECASE)


class SiteUnreachable(FeedError):
    """A temporary failure that is retried: the network, a timeout, a server error."""


class SiteRefusedRequest(FeedError):
    """The site refused the request. It is not retried at once, because that would prolong the refusal."""


class HistoryClient:
    """Reads pages of the history from the site."""

    def __init__(
        self,
        url: str,
        stop: StopFlag,
        *,
        read_timeout_seconds: float = READ_TIMEOUT_SECONDS,
        total_timeout_seconds: float = TOTAL_TIMEOUT_SECONDS,
    ) -> None:
        self._url = url
        self._total_timeout_seconds = total_timeout_seconds
        self._http = httpx.Client(
            timeout=httpx.Timeout(read_timeout_seconds, connect=min(5.0, read_timeout_seconds)),
            headers={"Accept": "application/json", "User-Agent": "crash-monitor"},
        )
        self._retrying = Retrying(
            retry=retry_if_exception_type(SiteUnreachable),
            stop=stop_after_attempt(ATTEMPTS) | _StopRequested(stop),
            wait=wait_random_exponential(multiplier=RETRY_WAIT_SECONDS, max=MAX_RETRY_WAIT_SECONDS),
            sleep=stop.wait,
            reraise=True,
        )

    def page(self, number: int) -> Page:
        """Return a page of the history; page 1 is the newest.

        Raises SiteUnreachable after ATTEMPTS tries, and every other FeedError after the first.
        """
        return parse_page(self._retrying(self._post, {"gameUrl": "crash", "page": number, "pageSize": PAGE_SIZE}))

    def close(self) -> None:
        self._http.close()

    def _post(self, payload: dict[str, object]) -> bytes:
        deadline = time.monotonic() + self._total_timeout_seconds
        try:
            with self._http.stream("POST", self._url, json=payload) as response:
                body = self._read(response, deadline)
        except httpx.RequestError as error:
            raise SiteUnreachable(f"does not answer: {type(error).__name__} {shorten(error)}".rstrip()) from error
        return _validated_body(response, body)

    def _read(self, response: httpx.Response, deadline: float) -> bytes:
        body = bytearray()
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise SiteRefusedRequest(f"answers with more than {MAX_BODY_BYTES:,} bytes")
            if time.monotonic() > deadline:
                raise SiteUnreachable(f"takes longer than {self._total_timeout_seconds:g} s to answer")
        return bytes(body)


def _validated_body(response: httpx.Response, body: bytes) -> bytes:
    # The challenge is checked before the status: Cloudflare sends it with 403, formerly with 503, for any URL.
    # The header: https://developers.cloudflare.com/cloudflare-challenges/challenge-types/challenge-pages/detect-response/
    if response.headers.get("cf-mitigated") == "challenge" or _CHALLENGE.search(body):
        raise SiteRefusedRequest("refuses the request: Cloudflare challenge")
    if response.is_server_error:
        raise SiteUnreachable(f"does not answer: HTTP {response.status_code}")
    if response.status_code != httpx.codes.OK:
        raise SiteRefusedRequest(f"refuses the request: HTTP {response.status_code}")
    return body


class _StopRequested(stop_base):
    """Tenacity condition: end the retries when a stop is requested."""

    def __init__(self, stop: StopFlag) -> None:
        self._stop = stop

    def __call__(self, retry_state: RetryCallState) -> bool:
        return self._stop.is_set()
