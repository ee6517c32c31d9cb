import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager
from dataclasses import replace
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from config.env import BASE_DIR
from games.feeds.backoff import Backoff
from games.feeds.base import FeedMisconfigured, PollResult
from games.feeds.bcgame.feed import BCGameFeed, Options
from games.feeds.log_deduplicator import LogDeduplicator
from games.feeds.monitor import Monitor
from games.feeds.none import NoFeed
from games.feeds.replay.feed import ReplayFeed
from games.feeds.selection import create_feed
from games.feeds.shutdown import Interrupted, StopFlag, stop_on_signals
from games.models import Game
from games.services import record_games
from games.signals import games_changed
from tests.chains import bcgame_rounds
from tests.games.feeds import ListFeed, RecordedWaits
from tests.processes import scaled
from tests.upstream import Upstream


def ids() -> list[int]:
    return list(Game.objects.order_by("game_id").values_list("game_id", flat=True))


@pytest.mark.django_db
def test_it_polls_records_and_waits_as_the_feed_says(caplog):
    rounds = bcgame_rounds(6)
    polls = [
        PollResult(rounds=rounds[:4], wait_seconds=3.0),
        PollResult(wait_seconds=0.5),
        PollResult(rounds=rounds[4:], wait_seconds=7.0),
    ]
    stop = RecordedWaits(until=3)
    monitor = Monitor(ListFeed(*polls), stop)
    with caplog.at_level("INFO", logger="games.feeds"):
        monitor.run()
    assert stop.seconds == [3.0, 0.5, 7.0]
    assert ids() == [round_.game_id for round_ in rounds]
    assert caplog.messages == ["recorded 4 games up to 5899998", "recorded 2 games up to 5900000"]
    assert str(monitor.totals) == "6 games recorded, 0 updated, 0 rejected, 0 unreadable"


@pytest.mark.django_db
def test_every_rejected_round_is_logged_and_the_others_are_recorded(caplog):
    rounds = bcgame_rounds(6)
    record_games(rounds[:1], source="before")
    polled = [
        *rounds[1:3],
        replace(rounds[3], crash_hundredths=99),
        replace(rounds[4], hash=rounds[0].hash),  # seen only in the second look, against the table
        rounds[5],
    ]
    monitor = Monitor(
        ListFeed(PollResult(rounds=polled, wait_seconds=1), PollResult(rounds=polled, wait_seconds=1)), RecordedWaits()
    )
    monitor.step()
    monitor.step()
    assert ids() == [rounds[position].game_id for position in (0, 1, 2, 5)]
    assert caplog.messages == [
        "rejected game 5899998: crash_point: Must be from 1 to 2814749767106.55.",
        "rejected game 5899999: hash: Belongs to game 5899995.",
        "recorded 3 games up to 5900000",
    ]
    assert (monitor.totals.created, monitor.totals.rejected) == (3, 2)


@contextmanager
def database_away():
    """Make the database fail for real: the server ends the connection, or another writer locks the file."""
    if connection.vendor == "postgresql":
        with closing(connection.copy()) as other, connection.cursor() as ours:
            ours.execute("SELECT pg_backend_pid()")
            (process,) = ours.fetchone()
            with other.cursor() as theirs:
                theirs.execute("SELECT pg_terminate_backend(%s, 5000)", [process])
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout=0")
    with closing(sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


@pytest.mark.django_db(transaction=True)
def test_a_database_that_fails_loses_nothing(settings, caplog):
    rounds = bcgame_rounds(250)
    with Upstream(rounds=rounds[:60]) as upstream:
        settings.FEED, settings.BCGAME_API_URL = "bcgame", upstream.url
        stop = RecordedWaits()
        with closing(create_feed(settings, stop, Options())) as feed, caplog.at_level("INFO", "games.feeds"):
            monitor = Monitor(feed, stop)
            monitor.step()
            upstream.rounds = rounds
            with database_away():
                assert monitor.step() == 1.0
                assert monitor.problem.startswith("the database fails: ")
            assert monitor.step() == 5.0
    assert ids() == [round_.game_id for round_ in rounds]
    assert monitor.problem is None
    said = [message.split(": ")[0] for message in caplog.messages]
    assert said == [
        f"recorded 60 games up to {rounds[59].game_id}",
        "the database fails",
        "recorded 190 games up to 5900000",
        "resolved",
    ]


@pytest.mark.django_db(transaction=True)
def test_a_stop_takes_effect_between_two_batches_and_the_next_run_continues_there():
    rounds = bcgame_rounds(1_200)
    stop = RecordedWaits()
    monitor = Monitor(ListFeed(PollResult(rounds=rounds, wait_seconds=1)), stop)

    def stop_now(**kwargs):
        stop.on_signal(signal.SIGTERM, None)

    games_changed.connect(stop_now)
    try:
        monitor.run()
    finally:
        games_changed.disconnect(stop_now)
    assert ids() == [round_.game_id for round_ in rounds[:500]]


def test_database_retries_back_off_up_to_a_limit():
    pace = Backoff(0.5, 3)
    assert [pace.increase() for _ in range(4)] == [1, 2, 3, 3]
    assert (pace.reset(), pace.increase()) == (0.5, 1)


def test_an_item_not_seen_for_long_is_logged_again():
    reported = LogDeduplicator(size=2)
    assert [reported.first_time(thing) for thing in "aabacba"] == [True, False, True, False, True, True, True]


def test_a_signal_while_waiting_ends_the_wait_at_once():
    stop = StopFlag()
    with stop_on_signals(stop):
        signal.setitimer(signal.ITIMER_REAL, 0)
        before = signal.getsignal(signal.SIGALRM)
        signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(Interrupted):
                stop.wait(60)
        finally:
            signal.signal(signal.SIGALRM, before)
    assert stop.is_set()


def test_a_signal_during_a_write_waits_for_its_end():
    stop = StopFlag()
    with stop_on_signals(stop):
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.is_set()
        with pytest.raises(Interrupted):
            stop.wait(60)


def test_the_previous_handlers_are_restored():
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    with stop_on_signals(StopFlag()):
        assert signal.getsignal(signal.SIGTERM) not in before
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


@pytest.mark.parametrize(("name", "kind"), [("replay", ReplayFeed), ("bcgame", BCGameFeed), ("none", NoFeed)])
def test_the_feed_is_the_one_that_is_named(settings, name, kind):
    settings.FEED = name
    with closing(create_feed(settings, StopFlag(), Options())) as feed:
        assert type(feed) is kind


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"FEED": "socket"}, "FEED is 'socket'. It must be one of: replay, bcgame, none."),
        ({"FEED": "bcgame", "SITE": "bustabit"}, "FEED=bcgame gives games of SITE=bcgame, but SITE is bustabit."),
        ({"FEED": "replay", "REPLAY_SPEED": 0.0}, "REPLAY_SPEED is 0.0. It must be above 0."),
        ({"FEED": "replay", "REPLAY_SPEED": float("nan")}, "REPLAY_SPEED is nan. It must be above 0."),
    ],
)
def test_a_misconfigured_feed_is_reported_in_one_line(settings, values, message):
    for name, value in values.items():
        setattr(settings, name, value)
    with pytest.raises(FeedMisconfigured) as error:
        create_feed(settings, StopFlag(), Options())
    assert str(error.value) == message
    with pytest.raises(CommandError) as failure:
        call_command("monitor_games", "--once")
    assert str(failure.value) == message


@pytest.mark.django_db
def test_once_polls_once_and_says_what_it_did(settings):
    with Upstream(rounds=bcgame_rounds(120)) as upstream:
        settings.FEED, settings.BCGAME_API_URL = "bcgame", upstream.url
        out = StringIO()
        call_command("monitor_games", "--once", "--max-pages=2", stdout=out)
        assert upstream.pages == [1, 2]
        assert out.getvalue() == "100 games recorded, 0 updated, 0 rejected, 0 unreadable.\n"
        upstream.misbehave.append("cloudflare")
        with pytest.raises(
            CommandError, match=r"^the site refuses the request: Cloudflare challenge; next try in 10 s$"
        ):
            call_command("monitor_games", "--once", stdout=out)


def test_at_least_one_page_is_read():
    with pytest.raises(CommandError, match=r"^--max-pages must be at least 1\.$"):
        call_command("monitor_games", "--max-pages=0")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("feed", ["none", "bcgame"])
def test_the_command_ends_at_once_on_a_signal(tmp_path, feed, number):
    """The signal arrives while the feed waits (none), or while the site hangs in the middle of a response (bcgame)."""
    with Upstream() as upstream:
        upstream.misbehave.append("hang")
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "config.settings.local",
            "DATABASE_URL": f"sqlite:///{tmp_path / 'crash.sqlite3'}",
            "DATA_DIR": str(tmp_path),
            "FEED": feed,
            "SITE": "bcgame",
            "BCGAME_API_URL": upstream.url,
        }
        command = [sys.executable, "manage.py", "monitor_games"]
        with subprocess.Popen(
            command, cwd=BASE_DIR, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            try:
                assert process.stdout.readline() == f"Watching bcgame by FEED={feed}.\n"
                if feed == "bcgame":
                    assert upstream.arrived.wait(scaled(20))
                process.send_signal(number)
                out, errors = process.communicate(timeout=scaled(5))  # seconds; the client itself would wait for ten
            finally:
                process.kill()
    assert (process.returncode, out) == (0, "0 games recorded, 0 updated, 0 rejected, 0 unreadable.\n")
    assert "Traceback" not in errors
