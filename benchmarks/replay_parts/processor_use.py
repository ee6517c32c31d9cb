"""Measure the second after a version: processor time by process, and the start of the warming run."""

import asyncio
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

import psutil
import redis.asyncio

from cachecore.maintenance.warming import WARMED_AT

SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class ProcessorUse:
    """CPU seconds of the web process, of the worker, and of the whole machine.

    `run_after_ms` is the time from the version to the start of its warming run, or None if none started in time.
    """

    web: float
    worker: float
    machine: float
    run_after_ms: float | None


class ProcessorMeter:
    """Measures a fixed set of processes, because searching for new ones would cost processor time."""

    def __init__(self, web: Iterable[psutil.Process], worker: Iterable[psutil.Process], redis_url: str) -> None:
        self._web, self._worker = tuple(web), tuple(worker)
        self._redis = redis.asyncio.Redis.from_url(redis_url)

    async def measure(self) -> ProcessorUse:
        """Measure the next second."""
        risen_ms = time.time() * 1000
        before = self._cpu()
        await asyncio.sleep(SECONDS)
        after = self._cpu()
        web, worker, machine = (late - early for early, late in zip(before, after, strict=True))
        return ProcessorUse(web, worker, machine, await self._run_after(risen_ms))

    async def aclose(self) -> None:
        await self._redis.aclose()

    def _cpu(self) -> tuple[float, float, float]:
        times = psutil.cpu_times()
        return _cpu_of(self._web), _cpu_of(self._worker), sum(times) - times.idle - getattr(times, "iowait", 0.0)

    async def _run_after(self, risen_ms: float) -> float | None:
        started = await self._redis.get(WARMED_AT.key())
        return int(started) - risen_ms if started is not None and int(started) >= risen_ms - 1 else None


def _cpu_of(processes: Iterable[psutil.Process]) -> float:
    seconds = 0.0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            seconds += sum(process.cpu_times()[:2])
    return seconds
