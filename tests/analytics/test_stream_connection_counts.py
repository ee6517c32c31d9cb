"""The metrics of the live stream: over all processes, also after one of them was killed."""

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
from tests.analytics.stream_client import StreamProcess, run, wait_until

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


def test_without_reports_no_stream_is_open(client):
    assert stream_metrics(client) == {("connections",): 0} | no_resets()


def test_the_streams_of_all_processes_are_added_up(client):
    build(GAMES)

    async def scenario():
        async with StreamProcess() as one, StreamProcess() as other:
            async with one.connect() as first, one.connect() as second, other.connect() as third:
                for stream in (first, second, third):
                    await stream.wait_for_events(1)
                await one.hub.report()
                await other.hub.report()
                everything = read_counts().connections
            await one.hub.report()
            return everything, read_counts().connections

    assert asyncio.run(scenario()) == (3, 1)
    assert stream_metrics(client)["connections",] == 0  # both have stopped and removed their reports


def test_a_report_that_redis_rejects_is_repeated():
    build(GAMES)
    with connections.guarded_client("state") as raw:
        raw.set(STREAMS.key(), "not a hash")

    async def scenario():
        async with StreamProcess() as process, process.connect() as stream:
            await stream.wait_for_events(1)
            await process.hub.report()
            with connections.guarded_client("state") as raw:
                raw.delete(STREAMS.key())
            await process.hub.report()
            return read_counts().connections

    assert asyncio.run(scenario()) == 1


def test_a_reset_is_counted_once(client):
    async def scenario(process):
        async with process.connect(last_event_id="garbled") as garbled, process.connect() as other:
            await garbled.wait_for_events(2)
            await other.wait_for_events(1)
            await asyncio.to_thread(build, {1: (500, 0)})
            await garbled.wait_for_events(4)
            await other.wait_for_events(3)
        await process.hub.report()
        await process.hub.report()

    run(scenario)
    found = stream_metrics(client)
    assert found == {("connections",): 0} | no_resets() | {
        ("resets_total", "unknown_id"): 1,
        ("resets_total", "rebuilt"): 2,
    }


def test_the_report_of_a_killed_process_expires(monkeypatch):
    now = 1_800_000_000_000
    monkeypatch.setattr(connection_counts, "now_ms", lambda: now)

    async def report_and_die(open_streams: int) -> CountReporter:
        reporter = CountReporter()
        await reporter.report(open_streams, Counter())
        await reporter._client.aclose()  # as if the process was killed: its report is not removed
        return reporter

    asyncio.run(report_and_die(7))
    now += EXPIRE_AFTER_MS
    assert read_counts().connections == 7
    now += 1
    assert read_counts().connections == 0
    last = asyncio.run(report_and_die(2))
    with connections.guarded_client("state") as client:
        assert client.hkeys(STREAMS.key()) == [last._process.encode()]


def test_without_redis_only_the_metrics_are_missing(valkey):
    async def scenario(process):
        async with process.connect() as stream:
            await stream.wait_for_events(1)
            valkey.stop()
            process.hub.resets["slow"] += 1
            await process.hub.report()
            without_redis = list(metrics.streams())
            valkey.start()  # in this thread: the server ends with the thread that started it
            await wait_until(lambda: not _breaker_is_open())
            await process.hub.report()
            return without_redis

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
