"""The local cache with its subscription cut and writes going on: no read is older than the bound.

The service is read 100,000 times, the ASGI middleware 5,000 times; with CACHE_RACES=long 100,000 times, too.
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
from config.asgi import ASGIApplication
from games.keys import GAMES
from games.rounds import Round
from games.services import record_games
from tests import servers
from tests.cachecore.asgi import send_request
from tests.cachecore.test_envelope import family
from tests.cachecore.test_races import LOCAL as RACED_LOCAL
from tests.cachecore.test_races import LONG, Worker, staleness, truth_now, write_counting

LOCAL = family("bound-local", local=True)
CHANNEL = "cache-invalidate"
RESPONSE_SECONDS = 1.0  # docs/cachecore.md: the maximum age of a version


@pytest.fixture(autouse=True)
def _nothing_counted():
    stats.reset()
    yield
    stats.reset()


@pytest.fixture
def server():
    """A client of the Valkey without circuit breaker. Subscribing is allowed again after the test."""
    client = redis.Redis.from_url(servers.valkey.url)
    yield client
    client.acl_setuser("default", enabled=True, categories=["+@all"], commands=["+subscribe", "+psubscribe"])
    client.close()


@contextmanager
def subscription(cache):
    """Subscribe a cache to the invalidation messages of other processes."""
    pubsub = PubSub()
    pubsub.subscribe(CHANNEL, lambda message: cache.on_invalidation_message(msgspec.json.encode(message.data)))
    assert pubsub.ready(10)
    try:
        yield pubsub
    finally:
        pubsub.close()


def deny_subscribing(server):
    """End the connections of all subscribers, and forbid to subscribe again."""
    server.acl_setuser("default", enabled=True, commands=["-subscribe", "-psubscribe"])
    server.client_kill_filter(_type="pubsub")


def cut(server):
    deny_subscribing(server)
    assert server.publish(CHANNEL, json.dumps({"keys": [], "tags": []})) == 0


def test_messages_shorten_the_delay_and_without_them_the_bound_holds(server):
    ours, other = Cache(local_seconds=0.5), Cache()
    key, truth = LOCAL.key(id=1), ["first"]

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
    with subscription(ours):
        by_message = min(seconds_until_seen(f"published {n}") for n in range(5))
        cut(server)
        ours.delete(key)
        read()  # validated now
        by_bound = seconds_until_seen("not received")
    assert by_message < 0.1 < by_bound < 1.5  # half of its bound or later, and a busy machine's scheduling


def test_none_of_a_hundred_thousand_reads_is_older_than_the_bound(server):
    """Another process writes and invalidates as fast as it can; this one receives no messages and reads."""
    bound, seconds = 0.3, 3.0
    ours, key, reads = Cache(local_seconds=bound), RACED_LOCAL.key(id=1), []
    writer = Worker()
    try:
        writer.call(write_counting, 0.0)  # it has started
        with subscription(ours):
            ours.remember(key, None, truth_now, tags=("counted",))
            cut(server)
            writer.start(write_counting, seconds)
            ends = time.monotonic() + seconds
            while (began := time.monotonic()) < ends or len(reads) < 100_000:
                reads.append((began, ours.remember(key, None, truth_now, tags=("counted",))))
        published = writer.receive()
    finally:
        writer.stop()
    ages = [staleness(began, number, published) for began, number in reads]
    assert len(reads) >= 100_000
    assert len(published) > 20  # writes went on
    assert stats.snapshot().family(RACED_LOCAL.name).events("local_hit") > 0.9 * len(reads)
    assert 0.0 < max(ages) < bound


# The ASGI middleware


class Lifespan:
    """Starts and stops the application as an ASGI server does."""

    def __init__(self, app):
        self._to_app, self._from_app = asyncio.Queue(), asyncio.Queue()
        self._task = asyncio.create_task(app({"type": "lifespan"}, self._to_app.get, self._from_app.put))

    async def __aenter__(self):
        await self._to_app.put({"type": "lifespan.startup"})
        assert (await self._from_app.get())["type"] == "lifespan.startup.complete"

    async def __aexit__(self, *error):
        await self._to_app.put({"type": "lifespan.shutdown"})
        await self._task


def record(number):
    """Record a game; return when its version was published, or infinity if Redis refused it."""
    before = versions.current(GAMES)
    record_games([Round(game_id=number, crash_hundredths=200)], source="test")
    return time.monotonic() if versions.current(GAMES) != before else float("inf")


def record_until(published, stop):
    """Append (game id, when its version was published) until `stop` is true."""
    while not stop:
        number = len(published) + 1
        with suppress(RedisUnavailable):  # a busy machine may exceed the time limit
            published.append((number, record(number)))
    databases.close_all()  # of this thread


@pytest.mark.filterwarnings("ignore:unclosed Connection:ResourceWarning")  # of redis-py, stopped while it reconnects
@pytest.mark.django_db(transaction=True)
def test_without_messages_no_response_of_the_middleware_is_older_than_a_second(server, monkeypatch):
    monkeypatch.setitem(databases.settings["default"], "CONN_MAX_AGE", 0)  # Django's threads outlive the test
    reads, seconds = (100_000, 10.0) if LONG else (5_000, 3.0)
    published, stop, responses, outcomes = [(1, record(1))], [], [], []

    async def read(app):
        began = time.monotonic()
        response = await send_request(app, "/api/games/", "per_page=1")
        responses.append((began, response.body))
        outcomes.append(response.headers["x-cache"])
        await asyncio.sleep(0)  # let the rest of the process run

    async def scenario():
        app = ASGIApplication()
        async with Lifespan(app), asyncio.timeout(100):
            deny_subscribing(server)
            await read(app)  # through Django, which is loaded by the first request
            writing = asyncio.create_task(asyncio.to_thread(record_until, published, stop))
            ends = time.monotonic() + seconds
            while time.monotonic() < ends or len(responses) < reads:
                await read(app)
            stop.append(True)
            await writing

    asyncio.run(scenario())
    gc.collect()
    shown = {body: json.loads(body)["results"][0]["game_id"] for body in {body for _, body in responses}}
    ages = [staleness(began, shown[body], published) for began, body in responses]
    assert len(shown) >= 3  # new games were seen
    assert len(published) > 5
    assert outcomes.count("HIT") > 0.8 * len(outcomes)
    assert 0.0 < max(ages) < RESPONSE_SECONDS
