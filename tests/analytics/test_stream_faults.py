"""What is told when the stream's source is away, lost or strange, and when a client is: never nothing."""

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
from tests.analytics.listener import SECONDS, Process, answer, eventually, run


def names(events) -> list[str]:
    return [event.name for event in events]


def reason(listener) -> str:
    (found,) = (event.data["reason"] for event in listener.events if event.name == "reset")
    return found


# A new beginning --------------------------------------------------------------------------------------------------


def test_a_rebuilt_view_is_a_reset_and_a_new_snapshot():
    async def scenario(process):
        async with process.listener() as listener:
            await listener.hears(1)
            version = await asyncio.to_thread(build, {1: (500, 0)})
            heard = await listener.hears_of(version)
            assert names(heard) == ["snapshot", "reset", "snapshot"]
            assert (reason(listener), heard[-1].id) == ("rebuilt", f"{epoch()}:{version}")
            assert [found["crash_point"] for found in heard[-1].data["newest"]] == [5.0]
            after = change({2: (200, 0)})
            assert names(await listener.hears_of(after)) == ["snapshot", "reset", "snapshot", "game", "analytics"]

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
def test_an_id_that_does_not_lead_here_is_a_reset(last_id, why):
    async def scenario(process):
        async with process.listener(last_event_id=last_id.format(epoch=epoch())) as listener:
            assert names(await listener.hears(2)) == ["reset", "snapshot"]
        assert reason(listener) == why

    run(scenario)


def test_a_moment_that_no_batch_ended_at_is_a_reset():
    async def scenario(process):
        first = process.hub.mirror.view.version
        with connections.guarded_client("state") as client:
            client.set(VERSION.key(), first + 1_000_000)
        change({31: (200, 0)})
        await process.hub.mirror.advance()
        async with process.listener(last_event_id=f"{epoch()}:{first + 5}") as listener:
            await listener.hears(2)
        assert reason(listener) == "unknown_id"

    run(scenario)


def test_what_is_no_longer_kept_is_a_reset():
    build(GAMES)
    first = change({31: (200, 0)})
    for game_id in range(32, 37):
        change({game_id: (200, 0)})
    with connections.guarded_client("state") as client:
        client.xtrim(EVENTS.key(), maxlen=3, approximate=False)

    async def scenario():
        async with Process() as process, process.listener(last_event_id=f"{epoch()}:{first}") as listener:
            await listener.hears(2)
            return reason(listener)

    assert asyncio.run(scenario()) == "too_old"


def test_an_id_from_a_process_that_has_read_further_is_waited_for():
    async def scenario(process):
        for task in process.hub._tasks:
            task.cancel()  # this process sleeps while the other one tells
        version = change({31: (200, 0)})
        async with process.listener(last_event_id=f"{epoch()}:{version}") as listener:
            assert process.hub.mirror.view.version < version
            await eventually(lambda: process.hub.mirror.view.version == version)
        assert listener.events == []

    run(scenario)


def test_changes_that_redis_no_longer_has_are_a_reset():
    """As after a process was stopped for longer than the history reaches back."""

    async def scenario(process):
        async with process.listener() as listener:
            await listener.hears(1)
            with connections.guarded_client("state") as client, client.pipeline() as pipeline:  # in one moment
                version = process.hub.mirror.view.version + 10
                told = b'{"epoch":"%s","version":%d,"games":30}' % (epoch().encode(), version)
                pipeline.delete(EVENTS.key())
                pipeline.xadd(EVENTS.key(), {"event": told}, id=f"{version}-0")
                pipeline.set(VERSION.key(), version)
                pipeline.execute()
            assert names(await listener.hears_of(version)) == ["snapshot", "reset", "snapshot"]
            assert reason(listener) == "interrupted"

    run(scenario)


def test_a_version_that_fell_is_a_reset_although_no_bell_rings():
    async def scenario(process):
        with connections.guarded_client("state") as client:
            high = client.incrby(VERSION.key(), 10**9)
        assert change({31: (200, 0)}) == high + 1
        async with process.listener() as listener:
            await listener.hears(1)
            await eventually(lambda: process.hub.mirror.view.version == high + 1)
            with connections.guarded_client("state") as client:
                client.delete(VERSION.key())
            version = change({32: (200, 0)})
            assert version < high
            heard = await listener.hears_of(version)
        assert names(heard)[-2:] == ["reset", "snapshot"]
        assert reason(listener) == "interrupted"

    run(scenario)


def test_an_entry_that_no_script_of_ours_wrote_is_a_reset():
    async def scenario(process):
        async with process.listener() as listener:
            await listener.hears(1)
            with connections.guarded_client("state") as client, client.pipeline() as pipeline:
                version = process.hub.mirror.view.version + 10
                pipeline.xadd(EVENTS.key(), {"event": "{"}, id=f"{version}-0")
                pipeline.set(VERSION.key(), version)
                pipeline.execute()
            await listener.hears_of(version)
            assert reason(listener) == "interrupted"

    run(scenario)


def test_a_view_from_before_there_were_events_is_served():
    build(GAMES)
    with connections.guarded_client("state") as client:
        client.delete(EVENTS.key())

    async def scenario():
        async with Process() as process, process.listener() as listener:
            await listener.hears(1)
            return await listener.hears_of(change({31: (200, 0)}))

    heard = asyncio.run(scenario())
    assert names(heard) == ["snapshot", "reset", "snapshot"]
    assert heard[-1].data["head"] == 31


# Redis is away ----------------------------------------------------------------------------------------------------


def test_a_hung_redis_is_told_and_nothing_is_missing_afterwards(valkey):
    async def scenario(process):
        async with process.listener() as listener:
            await listener.hears(1)
            valkey.pause()
            await process.is_degraded()
            assert names(await listener.hears(2)) == ["snapshot", "degraded"]
            refused = await answer(process.app)
            assert (refused.status, refused.headers["retry-after"]) == (503, "5")
            assert b"".join(refused.bodies) == (
                b'{"detail":"The live stream stands still: Redis does not answer, or is empty."}'
            )
            valkey.resume()
            assert names(await listener.hears(3)) == ["snapshot", "degraded", "resumed"]
            await _written(lambda: change({31: (200, 0)}))
            assert names(await listener.hears(5))[3:] == ["game", "analytics"]

    run(scenario)


async def _written(write):
    """What other tests' breakers would refuse for a moment."""
    async with asyncio.timeout(SECONDS):
        while True:
            try:
                return write()
            except connections.RedisUnavailable:
                await asyncio.sleep(0.05)


def test_a_redis_that_comes_back_empty_is_a_reset_once_there_is_a_view_again(valkey):
    async def scenario(process):
        async with process.listener() as listener:
            await listener.hears(1)
            valkey.stop()
            await process.is_degraded()
            valkey.start()  # not in another thread: it dies with the one that started it
            assert names(await listener.hears(2)) == ["snapshot", "degraded"]
            version = await _written(lambda: build({1: (500, 0)}))
            await listener.hears(5)
            assert names(listener.events) == ["snapshot", "degraded", "reset", "snapshot", "resumed"]
            assert (reason(listener), listener.last_id) == ("rebuilt", f"{epoch()}:{version}")

    run(scenario)


def test_a_flushed_redis_is_told_too():
    async def scenario(process):
        async with process.listener() as listener:
            await listener.hears(1)
            with connections.guarded_client("state") as client:
                client.flushall()
            await process.is_degraded()
            version = await asyncio.to_thread(build, {1: (500, 0)})
            await listener.hears_of(version)
            assert names(listener.events)[:4] == ["snapshot", "degraded", "reset", "snapshot"]

    run(scenario)


def test_a_refusal_of_redis_that_nobody_foresaw_is_told_and_survived():
    async def scenario(process):
        async with process.listener() as listener:
            await listener.hears(1)
            with connections.guarded_client("state") as client:
                client.delete(EVENTS.key())
                client.set(EVENTS.key(), "not a stream")
            await process.is_degraded()
            assert names(await listener.hears(2)) == ["snapshot", "degraded"]
            with connections.guarded_client("state") as client:
                client.delete(EVENTS.key())
            version = await asyncio.to_thread(build, {1: (500, 0)})
            await listener.hears_of(version)
            assert names(listener.events)[:4] == ["snapshot", "degraded", "reset", "snapshot"]

    run(scenario)


@pytest.mark.parametrize("fault", ["stop", "pause"])
def test_a_process_may_start_without_redis(valkey, fault):
    async def scenario():
        getattr(valkey, fault)()
        async with Process() as process:
            assert (await answer(process.app)).status == 503
            (valkey.start if fault == "stop" else valkey.resume)()
            await _written(lambda: build(GAMES))
            await eventually(lambda: process.hub.available)
            async with process.listener() as listener:
                assert names(await listener.hears(1)) == ["snapshot"]

    asyncio.run(scenario())


def test_without_a_view_there_is_no_stream():
    async def scenario():
        async with Process() as process:
            return await answer(process.app)

    assert asyncio.run(scenario()).status == 503


# Clients that do not keep up ----------------------------------------------------------------------------------------


def test_a_slow_client_gets_the_latest_state_and_costs_one_write_meanwhile():
    async def scenario(process):
        async with process.listener() as slow, process.listener() as quick:
            await slow.hears(1)
            await quick.hears(1)
            slow.reads.clear()
            before = len(slow.bodies)
            version = await asyncio.to_thread(_change_each, range(31, 31 + MAX_BATCHES_BEHIND + 10))
            heard = await quick.hears_of(version)
            assert len([event for event in heard if event.name == "analytics"]) == MAX_BATCHES_BEHIND + 10
            slow.reads.set()
            heard = await slow.hears_of(version)
            assert len(slow.bodies) - before <= 3
            assert names(heard)[-2:] == ["reset", "snapshot"]
            assert reason(slow) == "slow"
            assert heard[-1].data["head"] == 30 + MAX_BATCHES_BEHIND + 10

    run(scenario)


def _change_each(ids) -> int:
    return [change({game_id: (200, 0)}) for game_id in ids][-1]


def test_who_falls_out_of_the_history_while_catching_up_begins_anew():
    async def scenario(process):
        first = process.hub.mirror.view.version
        await asyncio.to_thread(_change_each, range(31, 36))
        await process.hub.mirror.advance()
        async with process.listener(last_event_id=f"{epoch()}:{first}") as listener:
            listener.reads.clear()
            version = await asyncio.to_thread(_change_each, range(36, 36 + 300))
            await eventually(lambda: process.hub.mirror.history.batches_behind(first) is None)
            listener.reads.set()
            await listener.hears_of(version)
            assert reason(listener) in ("too_old", "slow")

    run(scenario, kept_batches=8)


def test_a_client_that_takes_nothing_is_ended():
    async def scenario(process):
        async with process.listener() as stalled, process.listener() as other:
            await stalled.hears(1)
            await other.hears(1)
            stalled.reads.clear()
            await other.hears_of(change({31: (200, 0)}))
            process.clock.now += STALLED_SECONDS - 1
            await process.hub.sweep()
            assert len(process.hub.clients) == 2
            process.clock.now += 1
            await process.hub.sweep()
            await asyncio.wait_for(stalled.task, SECONDS)
            assert len(process.hub.clients) == 1
            assert not other.task.done()

    run(scenario)


def test_silence_is_broken_by_a_heartbeat():
    async def scenario(process):
        async with process.listener() as listener:
            await listener.hears(1)
            process.clock.now += HEARTBEAT_SECONDS - 1
            await process.hub.sweep()
            await listener.hears_of(change({31: (200, 0)}))
            process.clock.now += 1
            await process.hub.sweep()  # something was heard a second ago
            assert b":\n\n" not in listener.bodies
            process.clock.now += HEARTBEAT_SECONDS - 1
            await process.hub.sweep()
            await listener.until(lambda: b":\n\n" in listener.bodies)

    run(scenario)


def test_a_client_whose_server_fails_to_write_is_ended():
    async def scenario(process):
        async def broken(message):
            if message["type"] == "http.response.body":
                raise ConnectionResetError

        async def stays():
            await asyncio.Event().wait()

        async with process.listener() as listener:
            await listener.hears(1)
            scope = listener._scope
            await asyncio.wait_for(process.app(scope, stays, broken), SECONDS)
            assert len(process.hub.clients) == 1

    run(scenario)


# The end ------------------------------------------------------------------------------------------------------------


def test_all_streams_end_properly_when_the_process_stops():
    async def scenario(process):
        listeners = [process.listener() for _ in range(50)]
        for listener in listeners:
            await listener.__aenter__()
            await listener.hears(1)
        async with asyncio.timeout(1):
            await process.app.stop()
            await asyncio.gather(*(listener.task for listener in listeners))
        assert all(listener.complete for listener in listeners)
        refused = await answer(process.app)
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")

    run(scenario)


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux only")
def test_the_kernel_closes_a_connection_whose_peer_takes_nothing():
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
        assert gone.value.errno is not None  # ETIMEDOUT of the kernel, not our own patience


LIMITS = """
import resource, sys
from analytics.stream.process_limits import raise_file_limit
resource.setrlimit(resource.RLIMIT_NOFILE, (256, int(sys.argv[1])))
print(raise_file_limit(500), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(
    ("hard", "streams", "soft"), [(5_000, 500, 500 + OTHER_FILES), (OTHER_FILES + 100, 100, OTHER_FILES + 100)]
)
def test_a_process_asks_for_the_files_it_needs_and_holds_as_many_streams_as_it_got(hard, streams, soft):
    found = subprocess.run([sys.executable, "-c", LIMITS, str(hard)], capture_output=True, text=True, check=True)
    assert found.stdout.split() == [str(streams), str(soft), str(hard)]
