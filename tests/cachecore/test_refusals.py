"""A Redis that refuses commands, by permissions or by a key's type, never fails a reader."""

import pytest
import redis

from cachecore.redis_client import connections
from cachecore.redis_client.connections import RedisUnavailable
from cachecore.redis_client.errors import code_of, is_refusal, is_unavailable
from cachecore.service import Cache
from games.services import record_games
from tests import chains
from tests.cachecore.test_envelope import family

pytestmark = pytest.mark.django_db(transaction=True)

PLAIN = family("refusals-plain")
PATHS = ("/api/games/", "/api/analytics/occurrences/?min=2&games=10", "/api/analytics/status/", "/games/", "/")


@pytest.fixture
def refuse(valkey):
    """Take commands from the permissions of every client but this fixture's."""
    operator = redis.Redis.from_url(valkey.url)
    operator.acl_setuser("operator", enabled=True, nopass=True, keys="*", channels="*", commands=["+@all"])
    operator.execute_command("AUTH", "operator", "")

    def take_away(*commands):
        operator.execute_command("ACL", "SETUSER", "default", *(f"-{command}" for command in commands))

    yield take_away
    operator.execute_command("ACL", "SETUSER", "default", "+@all")
    operator.execute_command("ACL", "DELUSER", "operator")
    operator.close()


@pytest.mark.parametrize(
    "commands", [["mget"], ["get"], ["evalsha", "eval"], ["getrange"], ["set"], ["hgetall"], ["smembers"], ["publish"]]
)
def test_pages_and_api_answer_without_a_refused_command(client, refuse, commands):
    record_games(chains.bcgame_rounds(20), source="test")
    refuse(*commands)
    for path in PATHS:
        assert (path, client.get(path).status_code) == (path, 200)


def test_readiness_tries_the_commands_that_serving_needs(client, refuse, caplog, monkeypatch):
    monkeypatch.setattr(connections, "_refusals", {})
    assert client.get("/readyz").json()["cache"]["ok"] is True
    refuse("mget")
    body = client.get("/readyz").json()
    assert (body["status"], body["cache"]["ok"], body["state"]["ok"]) == ("degraded", False, True)
    assert body["cache"]["reason"] == "RedisUnavailable"
    assert "Redis role 'cache' refused MGET: " in caplog.text


def test_a_refused_write_stops_no_read(refuse):
    cache = Cache()
    cache.remember(PLAIN.key(id=1), None, lambda: "stored")
    refuse("evalsha", "eval", "set")
    for number in range(2, 10):
        assert cache.remember(PLAIN.key(id=number), None, lambda: "computed") == "computed"
        assert cache.remember(PLAIN.key(id=1), None, lambda: "computed again") == "stored"
    assert connections.breaker("cache").state == "closed"


def test_a_full_server_refuses_writes_and_serves_reads(valkey):
    cache = Cache()
    cache.remember(PLAIN.key(id=1), None, lambda: "stored")
    with connections.guarded_client("cache") as client:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", 1)
    try:
        for number in range(2, 10):
            assert cache.remember(PLAIN.key(id=number), None, lambda: "computed") == "computed"
            assert cache.remember(PLAIN.key(id=1), None, lambda: "computed again") == "stored"
        with pytest.raises(RedisUnavailable, match="OutOfMemoryError"):
            connections.execute("state", "SET", "refusals", "1")
    finally:
        with connections.guarded_client("cache") as client:
            client.config_set("maxmemory", 0)
    assert connections.breaker("cache").state == "closed"


def test_a_refusal_is_logged_once_with_its_command(refuse, caplog, monkeypatch):
    monkeypatch.setattr(connections, "_refusals", {})
    refuse("mget")
    cache = Cache()
    for number in range(5):
        cache.get(PLAIN.key(id=number))
    refusals = [one.getMessage() for one in caplog.records if "refused" in one.getMessage()]
    assert len(refusals) == 1
    assert refusals[0].startswith("Redis role 'cache' refused MGET: NoPermissionError: ")


@pytest.mark.parametrize(
    ("reply", "code", "unavailable", "refusal"),
    [
        ("WRONGTYPE Operation against a key", "WRONGTYPE", False, True),
        ("MISCONF Errors writing to the AOF file", "MISCONF", False, True),
        ("NOREPLICAS Not enough good replicas", "NOREPLICAS", False, True),
        ("BUSY Valkey is busy running a script", "BUSY", True, False),
        ("UNBLOCKED force unblock from blocking operation", "UNBLOCKED", True, False),
        ("ERR unknown command 'mget'", "ERR", False, True),
        ("ACL failure in script: User default has no permissions to run the 'set' command", "ACL", False, True),
        ("ERR wrong number of arguments for 'get' command", "ERR", False, False),
        ("Command # 1 (GET a) of pipeline caused error: WRONGTYPE Operation", "WRONGTYPE", False, True),
    ],
)
def test_error_replies_are_classified_by_their_code(reply, code, unavailable, refusal):
    error = redis.ResponseError(reply)
    assert (code_of(error), is_unavailable(error), is_refusal(error)) == (code, unavailable, refusal)
