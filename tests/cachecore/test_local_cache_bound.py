"""A process's memory with its subscription cut and writes going on: no read is older than the bound.

Of the service (`near` families) 100,000 reads in the suite; of the front door 5,000, with CACHE_RACES=long 100,000.
"""

import asyncio
import gc
import json
import time
from contextlib import contextmanager, suppress

import msgspec
import pytest
import redis
from django.db import connections as databases

from cachecore import versions
from cachecore.pubsub import PubSub
from cachecore.redis_client.connections import RedisUnavailable
from cachecore.service import Cache
from cachecore.stats import stats
from config.asgi import FrontDoor
from games.keys import GAMES
from games.rounds import Round
from games.services import record_games
from tests import servers
from tests.cachecore.asgi import send_request
from tests.cachecore.test_envelope import family
from tests.cachecore.test_races import LONG, Worker, staleness, truth_now, write_counting
from tests.cachecore.test_races import NEAR as RACED_NEAR

NEAR = family("bound-near", local=True)
CHANNEL = "cache-invalidate"
FRONT_DOOR_SECONDS = 1.0  # docs/cachecore.md: the bound of a version's age


@pytest.fixture(autouse=True)
def _nothing_counted():
    stats.reset()
    yield
    stats.reset()


@pytest.fixture
def server():
    """The run's Valkey, past every breaker; who may subscribe is as it was after the test."""
    client = redis.Redis.from_url(servers.valkey.url)
    yield client
    client.acl_setuser("default", enabled=True, categories=["+@all"], commands=["+subscribe", "+psubscribe"])
    client.close()


@contextmanager
def hearing(cache):
    """As a process does that wants to know of others' invalidations before its bound makes it."""
    pubsub = PubSub()
    pubsub.subscribe(CHANNEL, lambda message: cache.on_invalidation_message(msgspec.json.encode(message.data)))
    assert pubsub.ready(10)
    try:
        yield pubsub
    finally:
        pubsub.close()


def deny_subscribing(server):
    """Every subscriber's connection ends, and none may subscribe anew."""
    server.acl_setuser("default", enabled=True, commands=["-subscribe", "-psubscribe"])
    server.client_kill_filter(_type="pubsub")


def cut(server):
    deny_subscribing(server)
    assert server.publish(CHANNEL, json.dumps({"keys": [], "tags": []})) == 0


def test_word_makes_it_shorter_and_without_word_the_bound_holds(server):
    ours, other = Cache(local_seconds=0.5), Cache()
    key, truth = NEAR.key(id=1), ["first"]

    def read():
        return ours.remember(key, None, lambda: truth[-1], tags=["a"])

    def seconds_until_seen(value):
        truth.append(value)
        other.invalidate_tag("a")
        began = time.monotonic()
        while read() != value:
            assert time.monotonic() - began < 10
        return time.monotonic() - began

    read()
    with hearing(ours):
        by_word = min(seconds_until_seen(f"heard {n}") for n in range(5))
        cut(server)
        ours.delete(key)
        read()  # what it knows, it knows from now
        by_bound = seconds_until_seen("not heard of")
    assert by_word < 0.1 < by_bound < 1.5  # half of its bound or later, and a busy machine's scheduling


def test_of_a_hundred_thousand_reads_none_is_older_than_the_bound(server):
    """Another process writes and invalidates as fast as it can; this one hears nothing of it, and reads."""
    bound, seconds = 0.3, 3.0
    ours, key, answers = Cache(local_seconds=bound), RACED_NEAR.key(id=1), []
    writer = Worker()
    try:
        writer.ask(write_counting, 0.0)  # it is there
        with hearing(ours):
            ours.remember(key, None, truth_now, tags=("counted",))
            cut(server)
            writer.begin(write_counting, seconds)
            ends = time.monotonic() + seconds
            while (began := time.monotonic()) < ends or len(answers) < 100_000:
                answers.append((began, ours.remember(key, None, truth_now, tags=("counted",))))
        told = writer.heard()
    finally:
        writer.stop()
    ages = [staleness(began, number, told) for began, number in answers]
    assert len(answers) >= 100_000
    assert len(told) > 20  # writes went on
    assert stats.snapshot().family(RACED_NEAR.name).events("local_hit") > 0.9 * len(answers)
    assert 0.0 < max(ages) < bound


# The front door


class Lifespan:
    """Starts and stops the application as its server does."""

    def __init__(self, app):
        self._said, self._heard = asyncio.Queue(), asyncio.Queue()
        self._task = asyncio.create_task(app({"type": "lifespan"}, self._said.get, self._heard.put))

    async def __aenter__(self):
        await self._said.put({"type": "lifespan.startup"})
        assert (await self._heard.get())["type"] == "lifespan.startup.complete"

    async def __aexit__(self, *error):
        await self._said.put({"type": "lifespan.shutdown"})
        await self._task


def record(number):
    """Record a game; when every process could know it, which is never where Redis did not take the new version."""
    before = versions.current(GAMES)
    record_games([Round(game_id=number, crash_hundredths=200)], source="test")
    return time.monotonic() if versions.current(GAMES) != before else float("inf")


def record_for_ever(told, stop):
    """[(game id, when it was told)]"""
    while not stop:
        number = len(told) + 1
        with suppress(RedisUnavailable):  # a busy machine is slow, too
            told.append((number, record(number)))
    databases.close_all()  # this thread's


@pytest.mark.filterwarnings("ignore:unclosed Connection:ResourceWarning")  # redis-py's, stopped while it connects anew
@pytest.mark.django_db(transaction=True)
def test_no_answer_of_the_front_door_is_older_than_a_second_while_it_hears_nothing(server, monkeypatch):
    monkeypatch.setitem(databases.settings["default"], "CONN_MAX_AGE", 0)  # Django's threads outlive the test
    reads, seconds = (100_000, 10.0) if LONG else (5_000, 3.0)
    told, stop, answers, outcomes = [(1, record(1))], [], [], []

    async def read(app):
        began = time.monotonic()
        answer = await send_request(app, "/api/games/", "per_page=1")
        answers.append((began, answer.body))
        outcomes.append(answer.headers["x-cache"])
        await asyncio.sleep(0)  # let the rest of the process run

    async def scenario():
        app = FrontDoor()
        async with Lifespan(app), asyncio.timeout(100):
            deny_subscribing(server)
            await read(app)  # through Django, which wakes up first
            writing = asyncio.create_task(asyncio.to_thread(record_for_ever, told, stop))
            ends = time.monotonic() + seconds
            while time.monotonic() < ends or len(answers) < reads:
                await read(app)
            stop.append(True)
            await writing

    asyncio.run(scenario())
    gc.collect()
    shown = {body: json.loads(body)["results"][0]["game_id"] for body in {body for _, body in answers}}
    ages = [staleness(began, shown[body], told) for began, body in answers]
    assert len(shown) >= 3  # new games were seen
    assert len(told) > 5
    assert outcomes.count("HIT") > 0.8 * len(outcomes)
    assert 0.0 < max(ages) < FRONT_DOOR_SECONDS
