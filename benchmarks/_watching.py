"""Ask one API process again and again for its newest game, and keep what it said and when."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

import httpx

PATH = "/api/analytics/occurrences/?min=2&games=1"
TIMEOUT_SECONDS = 20.0  # the first answer waits for the process to begin
EVERY_SECONDS = 0.005  # a fraction of what is measured, and a hit costs the process 25 us


@dataclass(frozen=True, slots=True)
class Seen:
    """One answer, by when it was asked for and when it was there. `version`: of the view that was read."""

    asked: float
    answered: float
    game: int
    version: int
    said: str


@dataclass(slots=True)
class Watcher:
    url: str
    seen: list[Seen] = field(default_factory=list)
    failures: int = 0

    async def run(self) -> None:
        """Until cancelled."""
        async with httpx.AsyncClient(base_url=self.url, timeout=TIMEOUT_SECONDS) as client:
            while True:
                asked = time.monotonic()
                answer = await client.get(PATH)
                answered = time.monotonic()
                if answer.status_code == httpx.codes.OK:
                    self._keep(asked, answered, answer.json())
                else:
                    self.failures += 1
                await asyncio.sleep(max(0.0, asked + EVERY_SECONDS - time.monotonic()))

    def _keep(self, asked: float, answered: float, body: dict[str, Any]) -> None:
        meta = body["meta"]
        game, version = meta["window"]["last_game"] or 0, meta["version"] or 0
        said = str((meta["epoch"], meta["source"], meta["window"], body["results"]))
        self.seen.append(Seen(asked, answered, game, version, said))
