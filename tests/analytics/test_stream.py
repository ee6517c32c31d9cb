"""The live stream: which events clients get, and that no change is ever missing silently. No test uses a table."""

import asyncio
import json
import random

import yaml
from django.core.management import call_command
from jsonschema import Draft202012Validator

from analytics.live.keys import EVENTS, VERSION
from cachecore.redis_client import connections
from tests.analytics.changes import END, END_MS, GAMES, build, change, epoch
from tests.analytics.stream_client import Event, StreamProcess, run


def game(game_id, crash_point, change="new", end_time=END) -> Event:
    data = {"game_id": game_id, "crash_point": crash_point, "end_time": end_time, "change": change}
    return Event("game", data, None)


def summary(version, head, games, *, new=0, corrected=0, removed=0, omitted=0) -> Event:
    data = {"version": version, "head": head, "games": games, "new": new, "corrected": corrected, "removed": removed}
    return Event("analytics", data | {"omitted": omitted}, f"{epoch()}:{version}")


# Events -----------------------------------------------------------------------------------------------------------


def test_a_stream_starts_with_a_snapshot_of_the_view():
    async def scenario(process):
        async with process.connect() as stream:
            (snapshot,) = await stream.wait_for_events(1)
        newest = [{"game_id": i, "crash_point": (100 + i) / 100, "end_time": END} for i in range(30, 10, -1)]
        version = process.hub.mirror.view.version
        assert snapshot == Event(
            "snapshot",
            {"epoch": epoch(), "version": version, "games": 30, "head": 30, "newest": newest},
            f"{epoch()}:{version}",
        )
        assert stream.bodies[0].startswith(b"retry: ")

    run(scenario)


def test_the_newest_games_are_found_across_chunks():
    build({4_000: (100, 0), **dict.fromkeys(range(4090, 4100), (200, END_MS)), 9_000: (12_345, 0)})

    async def scenario():
        async with StreamProcess() as process, process.connect() as stream:
            return (await stream.wait_for_events(1))[0].data["newest"]

    newest = asyncio.run(scenario())
    assert [found["game_id"] for found in newest] == [9_000, *range(4_099, 4_089, -1), 4_000]
    assert newest[0] == {"game_id": 9_000, "crash_point": 123.45, "end_time": None}


def test_an_empty_view_is_served():
    build({})

    async def scenario():
        async with StreamProcess() as process, process.connect() as stream:
            (snapshot,) = await stream.wait_for_events(1)
            change({1: (100, 0)})
            return snapshot.data, (await stream.wait_for_events(3))[1:]

    snapshot, (first, _) = asyncio.run(scenario())
    assert (snapshot["games"], snapshot["head"], snapshot["newest"]) == (0, None, [])
    assert first == game(1, 1.0, end_time=None)


def test_a_batch_is_sent_as_one_event_per_game_and_a_summary():
    async def scenario(process):
        async with process.connect() as stream:
            await stream.wait_for_events(1)
            version = change({31: (100_000_001, END_MS), 5: (234, 0), 7: None})
            events = await stream.wait_for_version(version)
        assert events[1:] == [
            game(5, 2.34, "corrected", None),
            game(7, None, "removed", None),
            game(31, 1_000_000.01),
            summary(version, 31, 30, new=1, corrected=1, removed=1),
        ]

    run(scenario)


def test_a_large_batch_has_events_for_its_newest_twenty_games_and_counts_the_others():
    async def scenario(process):
        async with process.connect() as stream:
            await stream.wait_for_events(1)
            version = change(dict.fromkeys(range(31, 81), (200, END_MS)))
            events = await stream.wait_for_version(version)
        assert [event.data["game_id"] for event in events[1:-1]] == list(range(61, 81))
        assert events[-1] == summary(version, 80, 80, new=50, omitted=30)

    run(scenario)


def test_a_batch_that_changed_nothing_is_sent_because_it_raised_the_version():
    async def scenario(process):
        async with process.connect() as stream:
            await stream.wait_for_events(1)
            version = change({30: GAMES[30]})
            assert (await stream.wait_for_version(version))[1:] == [summary(version, 30, 30)]

    run(scenario)


def test_only_the_last_event_of_a_batch_has_an_id():
    """A client that is cut off within a batch gets the whole batch again."""

    async def scenario(process):
        async with process.connect() as stream:
            before = (await stream.wait_for_events(1))[0].id
            version = change({31: (200, 0), 32: (300, 0)})
            await stream.wait_for_version(version)
        text = b"".join(stream.bodies)
        cut = text[: text.index(b"event: analytics")]
        assert cut.count(b"event: game") == 2
        assert cut.count(b"\nid: ") == 1  # the snapshot's
        async with process.connect(last_event_id=before) as again:
            events = await again.wait_for_version(version)
        assert events == [game(31, 2.0, end_time=None), game(32, 3.0, end_time=None), summary(version, 32, 32, new=2)]

    run(scenario)


def test_an_event_is_encoded_once_for_all_clients():
    async def scenario(process):
        async with process.connect() as one, process.connect() as other:
            await one.wait_for_events(1)
            await other.wait_for_events(1)
            version = change({31: (200, 0)})
            await one.wait_for_version(version)
            await other.wait_for_version(version)
            assert one.bodies[-1] is other.bodies[-1]

    run(scenario)


def test_events_agree_with_the_openapi_schema(tmp_path, valkey):
    """All six kinds of events, as one process sent them."""
    file = tmp_path / "schema.yml"
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(file))
    schema = yaml.safe_load(file.read_text())
    event_schema = schema["paths"]["/api/stream/"]["get"]["responses"]["200"]["content"]["text/event-stream"]["schema"]

    async def scenario(process):
        async with process.connect(last_event_id="garbled") as stream:
            await stream.wait_for_events(2)
            change({31: (200, 0), 30: None})
            await stream.wait_for_events(5)
            valkey.pause()
            await process.wait_until_degraded()
            valkey.resume()
            return await stream.wait_for_events(7)

    events = run(scenario)
    assert {event.name for event in events} == {"snapshot", "game", "analytics", "reset", "degraded", "resumed"}
    validator = Draft202012Validator({**_strict(event_schema), "components": _strict(schema["components"])})
    for event in events:
        document = {"event": event.name, "data": event.data} | ({"id": event.id} if event.id else {})
        assert [error.message for error in validator.iter_errors(document)] == []
        assert list(validator.iter_errors(document | {"data": {"strange": 1}}))


def _strict(part):
    """Return OpenAPI 3.0 as JSON Schema that allows no property which the schema does not list."""
    if isinstance(part, list):
        return [_strict(item) for item in part]
    if not isinstance(part, dict):
        return part
    part = {name: _strict(value) for name, value in part.items() if name != "discriminator"}
    if isinstance(part.get("properties"), dict):
        part |= {"additionalProperties": False, "required": sorted(part["properties"])}
    if part.pop("nullable", False):
        return {"anyOf": [part, {"type": "null"}]}
    return part


# Reconnecting -----------------------------------------------------------------------------------------------------


def test_a_client_continues_after_the_last_event_it_got():
    async def scenario(process):
        async with process.connect() as stream:
            await stream.wait_for_events(1)
            first = change({31: (200, 0)})
            await stream.wait_for_version(first)
        versions = [change({game_id: (200, 0)}) for game_id in (32, 33)]
        for request in ({"last_event_id": stream.last_id}, {"query": f"last_event_id={stream.last_id}"}):
            async with process.connect(**request) as again:
                events = await again.wait_for_version(versions[-1])
            assert events == [
                game(32, 2.0, end_time=None),
                summary(versions[0], 32, 32, new=1),
                game(33, 2.0, end_time=None),
                summary(versions[1], 33, 33, new=1),
            ]

    run(scenario)


def test_the_header_takes_precedence_over_the_parameter():
    """A browser that reconnects sends the newer id in the header and repeats its URL."""

    async def scenario(process):
        async with process.connect() as stream:
            await stream.wait_for_events(1)
        old, version = stream.last_id, change({31: (200, 0)})
        new = f"{epoch()}:{version}"
        await process.hub.mirror.advance()
        last = change({32: (200, 0)})
        async with process.connect(query=f"last_event_id={old}", last_event_id=new) as again:
            events = await again.wait_for_version(last)
        assert events == [game(32, 2.0, end_time=None), summary(last, 32, 32, new=1)]

    run(scenario)


def test_a_process_reads_the_history_from_before_its_start():
    build(GAMES)
    versions = [change({game_id: (200, 0)}) for game_id in range(31, 36)]

    async def scenario():
        async with StreamProcess() as process, process.connect(last_event_id=f"{epoch()}:{versions[1]}") as stream:
            return await stream.wait_for_version(versions[-1])

    events = asyncio.run(scenario())
    assert [event.data["game_id"] for event in events if event.name == "game"] == [33, 34, 35]
    assert "reset" not in {event.name for event in events}


def test_a_process_reads_a_long_history_page_by_page():
    build(GAMES)
    first = change({31: (200, 0)})
    last = first + 1_300
    with connections.guarded_client("state") as client, client.pipeline() as pipeline:
        for version in range(first + 1, last + 1):
            entry = {"epoch": epoch(), "version": version, "head": 31, "games": 31}
            pipeline.xadd(EVENTS.key(), {"event": json.dumps(entry)}, id=f"{version}-0")
        pipeline.set(VERSION.key(), last)
        pipeline.execute()

    async def scenario():
        async with StreamProcess() as process, process.connect(last_event_id=f"{epoch()}:{first}") as stream:
            return await stream.wait_for_version(last)

    assert [event.data["version"] for event in asyncio.run(scenario())] == list(range(first + 1, last + 1))


def test_a_hundred_reconnects_under_changes_miss_nothing():
    async def scenario(process):
        events: list[Event] = []
        last_id, chance = None, random.Random(5)
        for game_id in range(31, 231, 2):
            changing = asyncio.create_task(asyncio.to_thread(_change_each, game_id, game_id + 1))
            async with process.connect(**({"last_event_id": last_id} if last_id else {})) as stream:
                await stream.wait_for_events(chance.randrange(1, 4))
            events += stream.events
            last_id = stream.last_id or last_id
            await changing
        async with process.connect(last_event_id=last_id) as stream:
            events += await stream.wait_for_version(change({230: (300, 0)}))
        assert {event.data["game_id"] for event in events if event.name == "game"} == set(range(31, 231))
        assert [event.name for event in events if event.name not in ("game", "analytics")] == ["snapshot"]
        versions = [event.data["version"] for event in events if event.name == "analytics"]
        assert versions == sorted(set(versions))

    run(scenario)


def _change_each(*ids) -> None:
    for game_id in ids:
        change({game_id: (200, 0)})
