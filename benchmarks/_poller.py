"""Poll one API process for its newest game, and store each response with its times."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

import httpx

PATH = "/api/analytics/occurrences/?min=2&games=1"
TIMEOUT_SECONDS = 20.0  # the first response includes the start of the process
INTERVAL_SECONDS = 0.005  # a fraction of what is measured; a hit costs the process 25 us


@dataclass(frozen=True, slots=True)
class PolledResponse:
    """One response with the times of its request and its arrival. `version` is that of the view that was read."""

    sent_at: float
    received_at: float
    game: int
    version: int
    content: str


@dataclass(slots=True)
class Poller:
    url: str
    responses: list[PolledResponse] = field(default_factory=list)
    failures: int = 0

    async def run(self) -> None:
        """Poll until cancelled."""
        async with httpx.AsyncClient(base_url=self.url, timeout=TIMEOUT_SECONDS) as client:
            while True:
                sent_at = time.monotonic()
                response = await client.get(PATH)
                received_at = time.monotonic()
                if response.status_code == httpx.codes.OK:
                    self._store(sent_at, received_at, response.json())
                else:
                    self.failures += 1
                await asyncio.sleep(max(0.0, sent_at + INTERVAL_SECONDS - time.monotonic()))

    def _store(self, sent_at: float, received_at: float, body: dict[str, Any]) -> None:
        meta = body["meta"]
        game, version = meta["window"]["last_game"] or 0, meta["version"] or 0
        content = str((meta["epoch"], meta["source"], meta["window"], body["results"]))
        self.responses.append(PolledResponse(sent_at, received_at, game, version, content))
