"""Failures of Redis, of the view and of clients: a stream reports each of them, and no change is missing silently."""

import asyncio
import socket
import subprocess
import sys

import pytest

from analytics.live.keys import EVENTS, VERSION
from analytics.stream.client import MAX_BATCHES_BEHIND
from analytics.stream.hub import HEARTBEAT_SECONDS, STALLED_SECONDS
from analytics.stream.process_limits import OTHER_FILES, set_tcp_user_timeout
from cachecore.redis_client import connections
from tests.analytics.changes import GAMES, build, change, epoch
from tests.analytics.stream_client import SECONDS, StreamProcess, complete_response, run, wait_until


def names(events) -> list[str]:
    return [event.name for event in events]


def reason(stream) -> str:
    (found,) = (event.data["reason"] for event in stream.events if event.name == "reset")
    return found


# Resets -----------------------------------------------------------------------------------------------------------


def test_a_rebuild_of_the_view_causes_a_reset_and_a_new_snapshot():
    async def scenario(process):
        async with process.connect() as stream:
            await stream.wait_for_events(1)
            version = await asyncio.to_thread(build, {1: (500, 0)})
            events = await stream.wait_for_version(version)
            assert names(events) == ["snapshot", "reset", "snapshot"]
            assert (reason(stream), events[-1].id) == ("rebuilt", f"{epoch()}:{version}")
            assert [found["crash_point"] for found in events[-1].data["newest"]] == [5.0]
            after = change({2: (200, 0)})
            assert names(await stream.wait_for_version(after)) == ["snapshot", "reset", "snapshot", "game", "analytics"]

    run(scenario)


@pytest.mark.parametrize(
    ("last_id", "why"),
    [
        ("0123456789abcdef:1780745451691", "rebuilt"),
        ("{epoch}:1", "too_old"),
        ("{epoch}:9999999999999999", "unknown_id"),
        ("garbled", "unknown_id"),
        ("{epoch}:-1", "unknown_id"),
        ("{epoch}:12345678901234567", "unknown_id"),
        ("é", "unknown_id"),
    ],
)
def test_an_id_outside_the_history_causes_a_reset(last_id, why):
    async def scenario(process):
        async with process.connect(last_event_id=last_id.format(epoch=epoch())) as stream:
            assert names(await stream.wait_for_events(2)) == ["reset", "snapshot"]
        assert reason(stream) == why

    run(scenario)


def test_a_version_that_no_batch_had_causes_a_reset():
    async def scenario(process):
        first = process.hub.mirror.view.version
        with connections.guarded_client("state") as client:
            client.set(VERSION.key(), first + 1_000_000)
        change({31: (200, 0)})
        await process.hub.mirror.advance()
        async with process.connect(last_event_id=f"{epoch()}:{first + 5}") as stream:
            await stream.wait_for_events(2)
        assert reason(stream) == "unknown_id"

    run(scenario)


def test_an_id_older_than_the_history_causes_a_reset():
    build(GAMES)
    first = change({31: (200, 0)})
    for game_id in range(32, 37):
        change({game_id: (200, 0)})
    with connections.guarded_client("state") as client:
        client.xtrim(EVENTS.key(), maxlen=3, approximate=False)

    async def scenario():
        async with StreamProcess() as process, process.connect(last_event_id=f"{epoch()}:{first}") as stream:
            await stream.wait_for_events(2)
            return reason(stream)

    assert asyncio.run(scenario()) == "too_old"


def test_an_id_from_a_process_that_has_read_further_is_accepted():
    async def scenario(process):
        for task in process.hub._tasks:
            task.cancel()  # this process does not read while another one sends the change
        version = change({31: (200, 0)})
        async with process.connect(last_event_id=f"{epoch()}:{version}") as stream:
            assert process.hub.mirror.view.version < version
            await wait_until(lambda: process.hub.mirror.view.version == version)
        assert stream.events == []

    run(scenario)


def test_changes_that_redis_has_already_dropped_cause_a_reset():
    """This happens if a process was suspended for longer than the history reaches back."""

    async def scenario(process):
        async with process.connect() as stream:
            await stream.wait_for_events(1)
            with connections.guarded_client("state") as client, client.pipeline() as pipeline:  # atomic
                version = process.hub.mirror.view.version + 10
                entry = b'{"epoch":"%s","version":%d,"games":30}' % (epoch().encode(), version)
                pipeline.delete(EVENTS.key())
                pipeline.xadd(EVENTS.key(), {"event": entry}, id=f"{version}-0")
                pipeline.set(VERSION.key(), version)
                pipeline.execute()
            assert names(await stream.wait_for_version(version)) == ["snapshot", "reset", "snapshot"]
            assert reason(stream) == "interrupted"

    run(scenario)


def test_a_version_that_fell_causes_a_reset_although_xread_does_not_wake():
    async def scenario(process):
        with connections.guarded_client("state") as client:
            high = client.incrby(VERSION.key(), 10**9)
        assert change({31: (200, 0)}) == high + 1
        async with process.connect() as stream:
            await stream.wait_for_events(1)
            await wait_until(lambda: process.hub.mirror.view.version == high + 1)
            with connections.guarded_client("state") as client:
                client.delete(VERSION.key())
            version = change({32: (200, 0)})
            assert version < high
            events = await stream.wait_for_version(version)
        assert names(events)[-2:] == ["reset", "snapshot"]
        assert reason(stream) == "interrupted"

    run(scenario)


def test_a_malformed_entry_causes_a_reset():
    async def scenario(process):
        async with process.connect() as stream:
            await stream.wait_for_events(1)
            with connections.guarded_client("state") as client, client.pipeline() as pipeline:
                version = process.hub.mirror.view.version + 10
                pipeline.xadd(EVENTS.key(), {"event": "{"}, id=f"{version}-0")
                pipeline.set(VERSION.key(), version)
                pipeline.execute()
            await stream.wait_for_version(version)
            assert reason(stream) == "interrupted"

    run(scenario)


def test_a_view_without_a_history_is_served():
    build(GAMES)
    with connections.guarded_client("state") as client:
        client.delete(EVENTS.key())

    async def scenario():
        async with StreamProcess() as process, process.connect() as stream:
            await stream.wait_for_events(1)
            return await stream.wait_for_version(change({31: (200, 0)}))

    events = asyncio.run(scenario())
    assert names(events) == ["snapshot", "reset", "snapshot"]
    assert events[-1].data["head"] == 31


# Redis is unavailable ---------------------------------------------------------------------------------------------


def test_a_hung_redis_is_reported_and_no_change_is_missing_afterwards(valkey):
    async def scenario(process):
        async with process.connect() as stream:
            await stream.wait_for_events(1)
            valkey.pause()
            await process.wait_until_degraded()
            assert names(await stream.wait_for_events(2)) == ["snapshot", "degraded"]
            refused = await complete_response(process.app)
            assert (refused.status, refused.headers["retry-after"]) == (503, "5")
            assert b"".join(refused.bodies) == (
                b'{"detail":"The live stream is unavailable: Redis does not answer or holds no data. Try again later."}'
            )
            valkey.resume()
            assert names(await stream.wait_for_events(3)) == ["snapshot", "degraded", "resumed"]
            await _retry(lambda: change({31: (200, 0)}))
            assert names(await stream.wait_for_events(5))[3:] == ["game", "analytics"]

    run(scenario)


async def _retry(write):
    """Repeat a write until the circuit breaker, which the fault has opened, lets it through."""
    async with asyncio.timeout(SECONDS):
        while True:
            try:
                return write()
            except connections.RedisUnavailable:
                await asyncio.sleep(0.05)


def test_a_redis_that_returns_empty_causes_a_reset_once_there_is_a_view(valkey):
    async def scenario(process):
        async with process.connect() as stream:
            await stream.wait_for_events(1)
            valkey.stop()
            await process.wait_until_degraded()
            valkey.start()  # in this thread: the server ends with the thread that started it
            assert names(await stream.wait_for_events(2)) == ["snapshot", "degraded"]
            version = await _retry(lambda: build({1: (500, 0)}))
            await stream.wait_for_events(5)
            assert names(stream.events) == ["snapshot", "degraded", "reset", "snapshot", "resumed"]
            assert (reason(stream), stream.last_id) == ("rebuilt", f"{epoch()}:{version}")

    run(scenario)


def test_a_flushed_redis_is_reported():
    async def scenario(process):
        async with process.connect() as stream:
            await stream.wait_for_events(1)
            with connections.guarded_client("state") as client:
                client.flushall()
            await process.wait_until_degraded()
            version = await asyncio.to_thread(build, {1: (500, 0)})
            await stream.wait_for_version(version)
            assert names(stream.events)[:4] == ["snapshot", "degraded", "reset", "snapshot"]

    run(scenario)


def test_an_unforeseen_error_of_redis_is_reported_and_survived():
    async def scenario(process):
        async with process.connect() as stream:
            await stream.wait_for_events(1)
            with connections.guarded_client("state") as client:
                client.delete(EVENTS.key())
                client.set(EVENTS.key(), "not a stream")
            await process.wait_until_degraded()
            assert names(await stream.wait_for_events(2)) == ["snapshot", "degraded"]
            with connections.guarded_client("state") as client:
                client.delete(EVENTS.key())
            version = await asyncio.to_thread(build, {1: (500, 0)})
            await stream.wait_for_version(version)
            assert names(stream.events)[:4] == ["snapshot", "degraded", "reset", "snapshot"]

    run(scenario)


@pytest.mark.parametrize("fault", ["stop", "pause"])
def test_a_process_may_start_without_redis(valkey, fault):
    async def scenario():
        getattr(valkey, fault)()
        async with StreamProcess() as process:
            assert (await complete_response(process.app)).status == 503
            (valkey.start if fault == "stop" else valkey.resume)()
            await _retry(lambda: build(GAMES))
            await wait_until(lambda: process.hub.available)
            async with process.connect() as stream:
                assert names(await stream.wait_for_events(1)) == ["snapshot"]

    asyncio.run(scenario())


def test_a_stream_is_refused_without_a_view():
    async def scenario():
        async with StreamProcess() as process:
            return await complete_response(process.app)

    assert asyncio.run(scenario()).status == 503


# Clients that do not keep up ----------------------------------------------------------------------------------------


def test_a_slow_client_costs_one_write_and_then_gets_the_latest_state():
    async def scenario(process):
        async with process.connect() as slow, process.connect() as quick:
            await slow.wait_for_events(1)
            await quick.wait_for_events(1)
            slow.reading.clear()
            before = len(slow.bodies)
            version = await asyncio.to_thread(_change_each, range(31, 31 + MAX_BATCHES_BEHIND + 10))
            events = await quick.wait_for_version(version)
            assert len([event for event in events if event.name == "analytics"]) == MAX_BATCHES_BEHIND + 10
            slow.reading.set()
            events = await slow.wait_for_version(version)
            assert len(slow.bodies) - before <= 3
            assert names(events)[-2:] == ["reset", "snapshot"]
            assert reason(slow) == "slow"
            assert events[-1].data["head"] == 30 + MAX_BATCHES_BEHIND + 10

    run(scenario)


def _change_each(ids) -> int:
    return [change({game_id: (200, 0)}) for game_id in ids][-1]


def test_a_client_that_falls_out_of_the_history_while_catching_up_is_reset():
    async def scenario(process):
        first = process.hub.mirror.view.version
        await asyncio.to_thread(_change_each, range(31, 36))
        await process.hub.mirror.advance()
        async with process.connect(last_event_id=f"{epoch()}:{first}") as stream:
            stream.reading.clear()
            version = await asyncio.to_thread(_change_each, range(36, 36 + 300))
            await wait_until(lambda: process.hub.mirror.history.batches_behind(first) is None)
            stream.reading.set()
            await stream.wait_for_version(version)
            assert reason(stream) in ("too_old", "slow")

    run(scenario, kept_batches=8)


def test_the_stream_of_a_client_that_does_not_read_is_ended():
    async def scenario(process):
        async with process.connect() as stalled, process.connect() as other:
            await stalled.wait_for_events(1)
            await other.wait_for_events(1)
            stalled.reading.clear()
            await other.wait_for_version(change({31: (200, 0)}))
            process.clock.now += STALLED_SECONDS - 1
            await process.hub.sweep()
            assert len(process.hub.clients) == 2
            process.clock.now += 1
            await process.hub.sweep()
            await asyncio.wait_for(stalled.task, SECONDS)
            assert len(process.hub.clients) == 1
            assert not other.task.done()

    run(scenario)


def test_a_silent_stream_sends_heartbeats():
    async def scenario(process):
        async with process.connect() as stream:
            await stream.wait_for_events(1)
            process.clock.now += HEARTBEAT_SECONDS - 1
            await process.hub.sweep()
            await stream.wait_for_version(change({31: (200, 0)}))
            process.clock.now += 1
            await process.hub.sweep()  # an event was sent a second ago
            assert b":\n" not in stream.bodies
            process.clock.now += HEARTBEAT_SECONDS - 1
            await process.hub.sweep()
            await stream.wait_until(lambda: b":\n" in stream.bodies)

    run(scenario)


def test_the_stream_of_a_client_is_ended_if_the_server_cannot_write_to_it():
    async def scenario(process):
        async def broken(message):
            if message["type"] == "http.response.body":
                raise ConnectionResetError

        async def stays():
            await asyncio.Event().wait()

        async with process.connect() as stream:
            await stream.wait_for_events(1)
            scope = stream._scope
            await asyncio.wait_for(process.app(scope, stays, broken), SECONDS)
            assert len(process.hub.clients) == 1

    run(scenario)


# Shutdown and limits of the process -----------------------------------------------------------------------------------


def test_all_streams_end_properly_when_the_process_stops():
    async def scenario(process):
        streams = [process.connect() for _ in range(50)]
        for stream in streams:
            await stream.__aenter__()
            await stream.wait_for_events(1)
        async with asyncio.timeout(1):
            await process.app.stop()
            await asyncio.gather(*(stream.task for stream in streams))
        assert all(stream.complete for stream in streams)
        refused = await complete_response(process.app)
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")

    run(scenario)


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux only")
def test_the_kernel_closes_a_connection_whose_peer_does_not_read():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as peer:
        set_tcp_user_timeout(0.2)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.connect(server.getsockname())
        accepted, _ = server.accept()
        with accepted:
            accepted.settimeout(SECONDS)
            with pytest.raises(TimeoutError) as gone:  # noqa: PT012
                while True:
                    accepted.send(b"x" * 65_536)
        assert gone.value.errno is not None  # the kernel's ETIMEDOUT, not the timeout of this socket


LIMITS = """
import resource, sys
from analytics.stream.process_limits import raise_file_limit
resource.setrlimit(resource.RLIMIT_NOFILE, (256, int(sys.argv[1])))
print(raise_file_limit(500), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(
    ("hard", "streams", "soft"), [(5_000, 500, 500 + OTHER_FILES), (OTHER_FILES + 100, 100, OTHER_FILES + 100)]
)
def test_a_process_raises_its_file_limit_and_holds_as_many_streams_as_that_allows(hard, streams, soft):
    result = subprocess.run([sys.executable, "-c", LIMITS, str(hard)], capture_output=True, text=True, check=True)
    assert result.stdout.split() == [str(streams), str(soft), str(hard)]
