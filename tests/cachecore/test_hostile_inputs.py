"""Untrusted texts wherever the cache accepts a text: they are refused or make a safe key.

The values of a witness family must never be read, changed or lost.
"""

import asyncio
import itertools
from urllib.parse import quote

import msgspec
import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.urls import reverse
from rest_framework.test import APIClient

from cachecore.async_cache import AsyncCache
from cachecore.keys import Family, canonical_parameters
from cachecore.pubsub import PubSub
from cachecore.redis_client import connections
from cachecore.service import Cache
from cachecore.service import cache as process_cache
from cachecore.stats import stats
from games.rounds import Round
from games.services import record_games
from tests.cachecore.test_envelope import family
from tests.factories.tokens import authorization

TARGET = family("hostile-target")
WITNESS = family("hostile-witness")
PAIRS = Family(
    name="hostile-pairs",
    pattern="hostile-pairs:{one}:{other}",
    role="cache",
    type="string",
    ttl_seconds=60,
    holds="a value of a test",
    written_by="a test",
    purged_by="its TTL",
)
OURS = ("hostile-target:", "hostile-pairs:", "tag:", "lease:", "latch:")
MONITORING = "/api/admin/monitoring/cache"

HOSTILE = [
    # blanks, line ends, control characters
    *(
        " ",
        "  a",
        "a ",
        "a b",
        "\t",
        "\n",
        "a\nb",
        "a\r\nDEL hostile-witness:1\r\n",
        "\x00",
        "a\x00b",
        "\x1b[2J",
        "\x7f",
    ),
    # special in a pattern of Redis, a format or a shell
    *("*", "a*", "**", "?", "[a-z]", "[^a]", "[", "]", "\\", "\\*", "{}", "{0}", "{id}", "{a}b", "%s", "%(id)s", "%d"),
    *("$(id)", "`id`", "a;b", "a|b", "../..", "..", "/etc/passwd", "a/b"),
    # special in a URL, HTML or SQL
    *("%00", "%2e%2e%2f", "%25", "<script>alert(1)</script>", "' OR 1=1 --", '"', "&family=games-list", "#", "?a=b"),
    # special in Lua
    *("redis.call('FLUSHALL')", "return redis.call('KEYS','*')", "]] os.exit() --[[", "KEYS[1]", "ARGV[1]", "nil"),
    # similar to keys, tags and hashes of the cache
    *(
        ":",
        "::",
        "a:",
        ":a",
        "hostile-witness:1",
        "tag:witness",
        "witness ",
        "lease:hostile-witness:1",
        "version:games",
    ),
    *("blake2:" + "0" * 32, "blake2:", "lock:x", "stats:totals"),
    # long texts, other scripts, texts that cannot be encoded
    *("x" * 201, "x" * 10_000, "é", "日本語", "😀" * 100, "\u202egpj", "ﬀ", "İ", "\ufeff", "\ud800", "\udcff"),
]


@pytest.fixture(autouse=True)
def witness(cache):
    """Values of another family with other tags. After every test they must be unchanged."""
    stats.reset()
    values = {WITNESS.key(id=number): f"of the witness {number}" for number in range(3)}
    cache.set_many(values, tags=["witness"])
    before = raw(WITNESS.prefix, "tag:witness")
    assert len(before) == 4
    yield values
    assert raw(WITNESS.prefix, "tag:witness") == before
    assert cache.get_many(values) == values
    stats.reset()


def raw(*prefixes):
    """Return the keys under these prefixes in Redis, with their serialized values."""
    with connections.guarded_client("cache") as client:
        names = [name for name in client.scan_iter(count=1_000) if name.startswith(tuple(p.encode() for p in prefixes))]
        return {name: client.dump(name) for name in names}


def names():
    with connections.guarded_client("cache") as client:
        return {name.decode() for name in client.scan_iter(count=1_000)}


def escaped(text):
    return quote(text.encode("utf-8", "surrogatepass"), safe="")


def test_there_are_at_least_fifty_different_texts():
    assert len(set(HOSTILE)) == len(HOSTILE) >= 50


# Parts of keys


def test_every_call_with_a_hostile_part_touches_its_own_value_only(cache, witness):
    for number, text in enumerate(HOSTILE):
        key = TARGET.key(id=text)
        assert cache.get(key) is None
        assert cache.remember(key, None, lambda number=number: number) == number
        assert cache.get_many([key, *witness]) == {key: number, **witness}
        assert (cache.delete(key), cache.exists(key), cache.increment(key, number + 1)) == (1, False, number + 1)
        assert cache.write_through(key, "written", lambda: "saved") == "saved"
        assert (cache.get(key), cache.delete(key)) == ("written", 1)
    assert {name for name in names() if not name.startswith(OURS)} == {*witness}


def test_hostile_parts_make_plain_short_and_different_keys():
    keys = [TARGET.key(id=text) for text in HOSTILE]
    assert len(set(keys)) == len(HOSTILE)
    for key in keys:
        assert key.startswith("hostile-target:")
        assert key.isascii()
        assert key.isprintable()
        assert not set(key) & set(" {}*?[]\\'\"<>$`;|&%#")
        assert len(key) <= len("hostile-target:") + 200


def test_two_hostile_parts_make_an_unambiguous_key():
    pairs = list(itertools.product(HOSTILE, repeat=2))
    keys = {PAIRS.key(one=one, other=other) for one, other in pairs}
    assert len(keys) == len(pairs)
    assert all(key.startswith("hostile-pairs:") and key.count(":") in (2, 3, 4) for key in keys)


def test_hostile_parameters_are_one_part_of_a_responses_key():
    """Views validate parameters; one that they let through would still stay within its family."""
    responses = Family(
        name="hostile-responses",
        pattern="hostile-responses:{parameters}:{version}",
        role="cache",
        type="string",
        ttl_seconds=60,
        holds="",
        written_by="",
        purged_by="",
    )
    keys = {responses.key(parameters=canonical_parameters([("min", text)]), version=7) for text in HOSTILE}
    assert len(keys) == len(HOSTILE)
    assert all(key.startswith("hostile-responses:") and key.endswith(":7") and key.isascii() for key in keys)


def test_an_event_loop_uses_the_same_keys(cache):
    async def scenario():
        async with AsyncCache(cache) as async_cache, asyncio.timeout(60):

            async def compute(number):
                return number

            return [
                await async_cache.remember(TARGET.key(id=text), None, lambda n=n: compute(n), tags=[text])
                for n, text in enumerate(HOSTILE)
            ]

    assert asyncio.run(scenario()) == list(range(len(HOSTILE)))
    assert [cache.get(TARGET.key(id=text), tags=[text]) for text in HOSTILE] == list(range(len(HOSTILE)))


# Tags


def test_invalidating_a_hostile_tag_invalidates_its_values_only(cache, witness):
    tagged = {TARGET.key(id=number): text for number, text in enumerate(HOSTILE)}
    for key, text in tagged.items():
        cache.set(key, "tagged", tags=[text])
    for key, text in tagged.items():
        cache.invalidate_tag(text)
        assert not cache.exists(key)
        assert cache.get_many([*tagged, *witness]).keys() == {*list(tagged)[list(tagged).index(key) + 1 :], *witness}
    assert {name for name in names() if not name.startswith(OURS)} == {*witness}


def test_a_value_can_have_all_hostile_tags(cache):
    key = TARGET.key(id=1)
    for text in HOSTILE:
        assert cache.remember(key, None, lambda: "value", tags=HOSTILE) == "value"
        cache.invalidate_tags([text])
        assert cache.get(key, tags=HOSTILE) is None


# Prefixes


def test_clearing_a_hostile_prefix_stays_within_its_family(cache, witness):
    for text in HOSTILE:
        kept = TARGET.key(id="kept")
        cache.set(kept, "kept")
        try:
            cleared = cache.clear(TARGET.prefix + text)
        except ValueError:
            continue
        assert cleared == 0  # wildcards are escaped, and no key begins with the text itself
        assert cache.get(kept) == "kept"
        assert cache.get_many(witness) == witness


def test_a_prefix_of_no_family_raises(cache, witness):
    refused = [text for text in HOSTILE if not text.startswith((WITNESS.prefix, "tag:", "lease:"))]
    for text in refused:
        with pytest.raises(ValueError, match="No family of the cache role has keys that begin with"):
            cache.clear(text)
    assert cache.get_many(witness) == witness


# The monitoring endpoints


@pytest.fixture
def api(db):
    user = User.objects.create(username="operator", is_staff=True, is_superuser=True)
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=authorization(user, "monitoring"))
    return client


def is_short_json(response):
    assert set(response.json()) <= {"detail", "errors"}
    return len(response.content) < 1_000


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_an_unknown_tag_is_a_404(api, text):
    before = names()
    response = api.delete(f"{MONITORING}/invalidate/{escaped(text)}/")
    assert response.status_code == 404
    assert is_short_json(response)
    assert names() == before


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_tag_with_values_is_invalidated_and_no_other(api, text):
    """An operator can name any text that an application uses as a tag."""
    process_cache.set(TARGET.key(id=1), "tagged", tags=[text])
    process_cache.set(TARGET.key(id=2), "another", tags=["another"])
    response = api.delete(f"{MONITORING}/invalidate/{escaped(text)}/")
    if text in ("\ud800", "\udcff"):  # cannot be part of a URL
        assert response.status_code == 404
        return
    assert (response.status_code, response.json()["tag"]) == (200, text)
    (entry,) = LogEntry.objects.all()
    assert entry.change_message.isprintable()  # it cannot forge a line of a log
    assert process_cache.get_many([TARGET.key(id=1), TARGET.key(id=2)]) == {TARGET.key(id=2): "another"}


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_an_unknown_family_is_a_404(api, text):
    before = names()
    response = api.delete(f"{MONITORING}/clear/?family={escaped(text)}")
    assert response.status_code == 404
    assert is_short_json(response)
    assert response.json()["detail"].startswith('There is no cached family "')
    assert names() == before


@pytest.mark.parametrize(("method", "path"), [("get", "stats/"), ("delete", "clear/"), ("delete", "invalidate/games/")])
def test_an_unknown_parameter_is_a_400_that_names_it(api, method, path):
    before = names()
    for text in HOSTILE:
        response = getattr(api, method)(f"{MONITORING}/{path}?{escaped(text)}=1")
        assert response.status_code == 400
        assert list(response.json()["errors"].values()) == [["Unknown parameter."]]
    assert names() == before


@pytest.mark.parametrize("verb", ["clear", "bump", "off", "warm"])
def test_the_admin_page_has_no_hostile_name(db, client, verb):
    client.force_login(User.objects.create(username="root", is_staff=True, is_superuser=True))
    before = names()
    url = reverse("admin:cachecore_cache_ask", args=[verb, "NAME"])
    for text in HOSTILE:
        for method in (client.get, client.post):
            assert method(url.replace("NAME", escaped(text))).status_code == 404
    assert names() == before


# Responses of the API, whose parameters are parts of keys


@pytest.mark.django_db(transaction=True)
def test_a_hostile_parameter_reaches_no_other_response(client):
    record_games([Round(game_id=1, crash_hundredths=200)], source="test")
    before, body = client.get("/api/games/"), client.get("/api/games/").content
    in_utc = client.get("/api/games/1/").content
    keys = {name for name in names() if name.startswith("games:")}
    for text in HOSTILE:
        responses = [
            client.get(f"/api/games/?{escaped(text)}={escaped(text)}"),
            client.get(f"/api/games/?page={escaped(text)}"),
            client.get(f"/api/games/?tz={escaped(text)}"),
            client.get(f"/api/games/{escaped(text)}/"),
        ]
        assert {response.status_code for response in responses} <= {400, 404}, text
        zone = client.get("/api/games/1/", headers={"X-Timezone": escaped(text)})
        assert (zone.status_code, zone.content) == (200, in_utc), text  # an unknown zone in the header is UTC
        assert all(response.json().keys() <= {"detail", "errors"} for response in responses)
    after = client.get("/api/games/")
    assert (before.headers["X-Cache"], after.headers["X-Cache"], after.content) == ("MISS", "HIT", body)
    assert {name for name in names() if name.startswith("games:")} == keys


# Messages between processes


@pytest.mark.parametrize("text", ["\ud800", "a\udcffb", "", None, 5, b"bytes"], ids=repr)
def test_an_invalid_channel_raises_and_other_channels_still_work(text):
    """Such a subscription would end the shared connection of the process again and again."""
    received, pubsub = [], PubSub()
    try:
        pubsub.subscribe("hostile-channel", received.append)
        assert pubsub.ready(10)
        for call in (pubsub.subscribe, pubsub.psubscribe, pubsub.publish):
            with pytest.raises((TypeError, ValueError), match="a channel must be a non-empty text"):
                call(text, received.append)
        assert pubsub.publish("hostile-channel", "message") == 1
        assert pubsub.ready(10)
        assert pubsub.counts["gaps"] == 0
    finally:
        pubsub.close()


def test_every_valid_hostile_channel_is_separate():
    channels = [text for text in HOSTILE if text not in ("\ud800", "\udcff")]
    received, pubsub = [], PubSub()
    try:
        for text in channels:
            pubsub.subscribe(text, received.append)
        assert pubsub.ready(10)
        assert [pubsub.publish(text, number) for number, text in enumerate(channels)] == [1] * len(channels)
        while len(received) < len(channels):
            assert pubsub.ready(10)
    finally:
        pubsub.close()
    assert [(message.channel, message.data) for message in received] == [(text, n) for n, text in enumerate(channels)]


@pytest.mark.parametrize(
    "message",
    [b"", b"\xff", b"null", b"[]", b"{}", b'{"keys": 1, "tags": []}', b'{"keys": [null], "tags": []}'],
    ids=repr,
)
def test_an_invalid_message_raises_and_drops_nothing(message):
    local = family("hostile-local", local=True)
    cache = Cache(local_seconds=60)
    cache.remember(local.key(id=1), None, lambda: "local", tags=["a"])
    with pytest.raises(msgspec.DecodeError):
        cache.on_invalidation_message(message)
    assert cache.stats().local_entries == 1


def test_a_message_with_hostile_names_drops_only_the_values_it_names():
    local = family("hostile-local", local=True)
    cache = Cache(local_seconds=60)
    cache.remember(local.key(id=1), None, lambda: "local", tags=["a"])
    sendable = [text for text in HOSTILE if text not in ("\ud800", "\udcff")]
    cache.on_invalidation_message(msgspec.json.encode({"keys": sendable, "tags": sendable}))
    assert cache.remember(local.key(id=1), None, lambda: "computed", tags=["a"]) == "local"
