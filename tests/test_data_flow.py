"""From a save to the response through real processes: worker, web server and broker, also when they are killed."""

import json
import os
import signal
import subprocess
import urllib.error
import urllib.request

import pytest

from analytics import services, tasks, view_settings
from analytics.live import pending, reader
from cachecore.locks import LOCK
from cachecore.redis_client import connections
from config.stack.valkey import Valkey
from games.models import Game
from games.services import record_games
from tests import chains
from tests.analytics import oracle, view_cells
from tests.processes import free_port, kill_group, responds, scaled, wait_until

pytestmark = pytest.mark.django_db(transaction=True)


def start_worker(process, concurrency: int = 1) -> subprocess.Popen[bytes]:
    options = ["--concurrency", str(concurrency), "--without-gossip", "--without-mingle"]
    return process("-m", "celery", "-A", "config", "worker", *options)


def assert_view_equals_table() -> None:
    names = [str(condition) for condition in view_settings.conditions()]
    rows = {
        game.game_id: (game.crash_hundredths, round(game.end_time.timestamp() * 1000) if game.end_time else 0)
        for game in Game.objects.all()
    }
    with connections.guarded_client("state") as client:
        oldest_bucket = int(client.hget("{analytics}:state", "bucket_floor"))
    assert view_cells.actual_cells(names) == oracle.expected_cells(rows, names, oldest_bucket)


def writer_is_idle() -> bool:
    with connections.guarded_client("state") as client:
        return not client.exists(LOCK.key(name="analytics-writer"))


def applied() -> int:
    view = reader.view_state()
    return view.games if view else 0


def test_a_save_reaches_the_view_through_a_worker(process):
    start_worker(process)
    record_games(chains.bcgame_rounds(50), source="test")
    wait_until(lambda: applied() == 50)
    assert_view_equals_table()


def test_a_worker_killed_between_commit_and_apply_loses_nothing(process):
    rounds = chains.bcgame_rounds(60)
    worker = start_worker(process)
    record_games(rounds[:20], source="test")
    wait_until(lambda: applied() == 20 and pending.size() == 0 and writer_is_idle())
    os.killpg(worker.pid, signal.SIGSTOP)  # it receives the message of the next save but does not start the task
    record_games(rounds[20:40], source="test")
    kill_group(worker)
    record_games(rounds[40:], source="test")
    assert applied() == 20
    assert pending.size() == 40
    start_worker(process)
    tasks.apply_pending.delay()  # as beat does within five seconds
    wait_until(lambda: applied() == 60)
    assert_view_equals_table()


def test_a_worker_survives_the_loss_of_its_broker_during_a_task(process, valkey, tmp_path):
    """kombu returns unacknowledged messages to the broker, which is down."""
    worker = start_worker(process, concurrency=2)  # one waits for messages
    with connections.guarded_client("state") as client:
        client.set(LOCK.key(name="analytics-writer"), "somebody", ex=60)
    tasks.rebuild.delay()  # waits for the lock
    wait_until(lambda: is_running("rebuild"))
    valkey.kill()
    wait_until(lambda: b"Cannot connect to redis" in (tmp_path / "0.log").read_bytes() or worker.poll() is not None)
    assert worker.poll() is None
    valkey.start()
    connections.breaker("state").record_success()
    record_games(chains.bcgame_rounds(20), source="test")
    wait_until(lambda: applied() == 20)
    assert_view_equals_table()


def is_running(job: str) -> bool:
    with connections.guarded_client("state") as client:
        return bool(client.exists(LOCK.key(name=f"job:{job}")))


@pytest.fixture
def broker(tmp_path):
    server = Valkey(tmp_path / "broker", persist=False)
    server.start()
    yield server
    server.stop()


@pytest.mark.parametrize("fault", ["stop", "pause"])
def test_a_broker_that_is_down_fails_no_save(process, broker, tmp_path, fault):
    """Only the broker is down: the games are marked pending in the state role, and the next run applies them."""
    file = tmp_path / "games.jsonl"
    file.write_text("".join(f'{{"game_id": {game_id}, "crash": 2.5}}\n' for game_id in range(1, 101)))
    url = broker.url
    getattr(broker, fault)()
    importing = process("manage.py", "import_games", str(file), "--batch-size", "1", BROKER_URL=url)
    assert importing.wait(scaled(30)) == 0
    assert Game.objects.count() == 100
    assert pending.size() == 100
    tasks.apply_pending()
    assert applied() == 100
    assert_view_equals_table()


def test_a_web_process_responds_with_the_newest_game_of_another_process(process):
    port = free_port()
    process(
        *("-m", "granian", "--interface", "asgi", "--port", str(port), "--workers", "1"),
        "config.asgi:application",
    )
    base = f"http://127.0.0.1:{port}"
    rounds = chains.bcgame_rounds(30)
    record_games(rounds[:29], source="test")
    services.apply_pending()
    wait_until(lambda: responds(base))
    path = "/api/analytics/occurrences/?min=1.01&all=true"
    outcomes = [get(base + path)[0]["X-Cache"] for _ in range(3)]
    assert outcomes[0] == "MISS"
    assert outcomes[-1] == "HIT"
    record_games(rounds[29:], source="test")
    services.apply_pending()
    wait_until(lambda: get(base + path)[1]["meta"]["window"]["games"] == 30)
    assert get(base + "/api/games/?per_page=1")[1]["count"] == 30
    assert get(base + path)[0]["X-Cache"] == "HIT"


def test_without_the_database_the_view_is_served_and_other_requests_are_refused(process):
    record_games(chains.bcgame_rounds(30), source="test")
    services.apply_pending()
    port = free_port()
    process(
        *("-m", "granian", "--interface", "asgi", "--port", str(port), "--workers", "1"),
        "config.asgi:application",
        DATABASE_URL="postgres://nobody@127.0.0.1:1/nothing",
    )
    base = f"http://127.0.0.1:{port}"
    wait_until(lambda: responds(base))
    _, body = get(f"{base}/api/analytics/occurrences/?min=2")
    assert (body["meta"]["source"], body["meta"]["window"]["games"]) == ("live", 30)
    for path in ("/api/games/", "/api/games/export/", "/api/analytics/last-games/?min=2"):
        with pytest.raises(urllib.error.HTTPError) as refusal:
            get(f"{base}{path}")
        assert (refusal.value.code, refusal.value.headers["Retry-After"]) == (503, "5")
        assert json.load(refusal.value) == {"detail": "The database is unavailable. Try again later."}
    with pytest.raises(urllib.error.HTTPError) as unready:
        get(f"{base}/readyz")
    parts = json.load(unready.value)
    assert (unready.value.code, parts["database"]["ok"], parts["state"]["ok"]) == (503, False, True)


def get(url: str) -> tuple[dict[str, str], dict]:
    with urllib.request.urlopen(url, timeout=scaled(5)) as response:  # noqa: S310
        return dict(response.headers.items()) | {"X-Cache": response.headers["X-Cache"]}, json.load(response)
