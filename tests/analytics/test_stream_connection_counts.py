"""What /metrics tells of the streams: of all processes, also when one of them was killed."""

import asyncio
from collections import Counter

import pytest
from prometheus_client.parser import text_string_to_metric_families

from analytics import metrics
from analytics.stream import connection_counts
from analytics.stream.connection_counts import EXPIRE_AFTER_MS, RESETS, STREAMS, CountReporter, read_counts
from analytics.stream.hub import Hub
from cachecore.redis_client import connections
from tests.analytics.changes import GAMES, build
from tests.analytics.listener import Process, eventually, run

pytestmark = pytest.mark.django_db  # the other collectors read tables


def stream_metrics(client) -> dict[tuple[str, ...], float]:
    text = client.get("/metrics").content.decode()
    samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    prefix = "crash_monitor_stream_"
    return {
        (one.name.removeprefix(prefix), *one.labels.values()): one.value
        for one in samples
        if one.name.startswith(prefix)
    }


def no_resets() -> dict[tuple[str, ...], float]:
    return {("resets_total", reason): 0 for reason in ("rebuilt", "too_old", "unknown_id", "interrupted", "slow")}


def test_nothing_told_is_none_open(client):
    assert stream_metrics(client) == {("connections",): 0} | no_resets()


def test_the_streams_of_all_processes_are_added_up(client):
    build(GAMES)

    async def scenario():
        async with Process() as one, Process() as other:
            async with one.listener() as first, one.listener() as second, other.listener() as third:
                for listener in (first, second, third):
                    await listener.hears(1)
                await one.hub.report()
                await other.hub.report()
                everything = read_counts().connections
            await one.hub.report()
            return everything, read_counts().connections

    assert asyncio.run(scenario()) == (3, 1)
    assert stream_metrics(client)["connections",] == 0  # both have stopped, and said so


def test_what_redis_refuses_to_note_is_noted_when_it_does_not():
    build(GAMES)
    with connections.guarded_client("state") as raw:
        raw.set(STREAMS.key(), "not a hash")

    async def scenario():
        async with Process() as process, process.listener() as listener:
            await listener.hears(1)
            await process.hub.report()
            with connections.guarded_client("state") as raw:
                raw.delete(STREAMS.key())
            await process.hub.report()
            return read_counts().connections

    assert asyncio.run(scenario()) == 1


def test_a_client_that_begins_anew_is_counted_once(client):
    async def scenario(process):
        async with process.listener(last_event_id="garbled") as garbled, process.listener() as other:
            await garbled.hears(2)
            await other.hears(1)
            await asyncio.to_thread(build, {1: (500, 0)})
            await garbled.hears(4)
            await other.hears(3)
        await process.hub.report()
        await process.hub.report()

    run(scenario)
    found = stream_metrics(client)
    assert found == {("connections",): 0} | no_resets() | {
        ("resets_total", "unknown_id"): 1,
        ("resets_total", "rebuilt"): 2,
    }


def test_a_process_that_was_killed_is_forgotten(monkeypatch):
    now = 1_800_000_000_000
    monkeypatch.setattr(connection_counts, "now_ms", lambda: now)

    async def tell(held: int) -> CountReporter:
        teller = CountReporter()
        await teller.report(held, Counter())
        await teller._client.aclose()  # as if killed: it says nothing of its end
        return teller

    asyncio.run(tell(7))
    now += EXPIRE_AFTER_MS
    assert read_counts().connections == 7
    now += 1
    assert read_counts().connections == 0
    last = asyncio.run(tell(2))
    with connections.guarded_client("state") as client:
        assert client.hkeys(STREAMS.key()) == [last._process.encode()]


def test_redis_that_is_away_costs_the_metrics_and_nothing_else(valkey):
    async def scenario(process):
        async with process.listener() as listener:
            await listener.hears(1)
            valkey.stop()
            process.hub.resets["slow"] += 1
            await process.hub.report()
            unknown = list(metrics.streams())
            valkey.start()  # not in another thread: it dies with the one that started it
            await eventually(lambda: not _breaker_is_open())
            await process.hub.report()
            return unknown

    assert run(scenario) == []
    with connections.guarded_client("state") as client:
        assert client.hgetall(RESETS.key()) == {b"slow": b"1"}


def _breaker_is_open() -> bool:
    try:
        with connections.guarded_client("state") as client:
            client.ping()
    except connections.RedisUnavailable:
        return True
    return False


def test_a_hub_that_did_not_start_reports_nothing():
    asyncio.run(Hub().report())
    assert read_counts() == (0, {})
