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
from games.feeds.base import FeedImpossible, Poll
from games.feeds.bcgame.feed import BCGameFeed, Options
from games.feeds.monitor import Monitor
from games.feeds.none import NoFeed
from games.feeds.pace import Pace
from games.feeds.replay.feed import ReplayFeed
from games.feeds.reported import Reported
from games.feeds.selection import feed_for
from games.feeds.shutdown import Interrupted, Stop, stops_on_signals
from games.models import Game
from games.services import record_games
from games.signals import games_changed
from tests.chains import bcgame_rounds
from tests.games.feeds import ListFeed, Waits
from tests.upstream import Upstream


def ids() -> list[int]:
    return list(Game.objects.order_by("game_id").values_list("game_id", flat=True))


@pytest.mark.django_db
def test_it_polls_records_and_waits_as_the_feed_says(caplog):
    rounds = bcgame_rounds(6)
    polls = [
        Poll(rounds=rounds[:4], wait_seconds=3.0),
        Poll(wait_seconds=0.5),
        Poll(rounds=rounds[4:], wait_seconds=7.0),
    ]
    stop = Waits(until=3)
    monitor = Monitor(ListFeed(*polls), stop)
    with caplog.at_level("INFO", logger="games.feeds"):
        monitor.run()
    assert stop.seconds == [3.0, 0.5, 7.0]
    assert ids() == [told.game_id for told in rounds]
    assert caplog.messages == ["recorded 4 games up to 5899998", "recorded 2 games up to 5900000"]
    assert str(monitor.totals) == "6 games recorded, 0 updated, 0 rejected, 0 unreadable"


@pytest.mark.django_db
def test_every_rejected_round_is_told_and_the_others_are_recorded(caplog):
    rounds = bcgame_rounds(6)
    record_games(rounds[:1], source="before")
    polled = [
        *rounds[1:3],
        replace(rounds[3], crash_hundredths=99),
        replace(rounds[4], hash=rounds[0].hash),  # seen only in the second look, against the table
        rounds[5],
    ]
    monitor = Monitor(ListFeed(Poll(rounds=polled, wait_seconds=1), Poll(rounds=polled, wait_seconds=1)), Waits())
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
    """Really: the server ends our connection, or another writer holds the file."""
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
        stop = Waits()
        with closing(feed_for(settings, stop, Options())) as feed, caplog.at_level("INFO", "games.feeds"):
            monitor = Monitor(feed, stop)
            monitor.step()
            upstream.rounds = rounds
            with database_away():
                assert monitor.step() == 1.0
                assert monitor.trouble.startswith("the database fails: ")
            assert monitor.step() == 5.0
    assert ids() == [told.game_id for told in rounds]
    assert monitor.trouble is None
    said = [message.split(": ")[0] for message in caplog.messages]
    assert said == [
        f"recorded 60 games up to {rounds[59].game_id}",
        "the database fails",
        "recorded 190 games up to 5900000",
        "all is well again after",
    ]


@pytest.mark.django_db(transaction=True)
def test_a_stop_ends_between_two_batches_and_the_next_run_goes_on_there():
    rounds = bcgame_rounds(1_200)
    stop = Waits()
    monitor = Monitor(ListFeed(Poll(rounds=rounds, wait_seconds=1)), stop)

    def stop_now(**kwargs):
        stop.on_signal(signal.SIGTERM, None)

    games_changed.connect(stop_now)
    try:
        monitor.run()
    finally:
        games_changed.disconnect(stop_now)
    assert ids() == [told.game_id for told in rounds[:500]]


def test_the_database_is_tried_more_and_more_slowly_up_to_a_bound():
    pace = Pace(0.5, 3)
    assert [pace.slow_down() for _ in range(4)] == [1, 2, 3, 3]
    assert (pace.reset(), pace.slow_down()) == (0.5, 1)


def test_what_was_not_seen_for_long_is_told_again():
    reported = Reported(size=2)
    assert [reported.first_time(thing) for thing in "aabacba"] == [True, False, True, False, True, True, True]


def test_a_signal_while_waiting_ends_the_wait_at_once():
    stop = Stop()
    with stops_on_signals(stop):
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
    stop = Stop()
    with stops_on_signals(stop):
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.is_set()
        with pytest.raises(Interrupted):
            stop.wait(60)


def test_the_handlers_of_before_come_back():
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    with stops_on_signals(Stop()):
        assert signal.getsignal(signal.SIGTERM) not in before
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


@pytest.mark.parametrize(("name", "kind"), [("replay", ReplayFeed), ("bcgame", BCGameFeed), ("none", NoFeed)])
def test_the_feed_is_the_one_that_is_named(settings, name, kind):
    settings.FEED = name
    with closing(feed_for(settings, Stop(), Options())) as feed:
        assert type(feed) is kind


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"FEED": "socket"}, "FEED is 'socket'; one of: replay, bcgame, none."),
        ({"FEED": "bcgame", "SITE": "bustabit"}, "FEED=bcgame gives games of SITE=bcgame, but SITE is bustabit."),
        ({"FEED": "replay", "REPLAY_SPEED": 0.0}, "REPLAY_SPEED is 0.0; it must be above 0."),
        ({"FEED": "replay", "REPLAY_SPEED": float("nan")}, "REPLAY_SPEED is nan; it must be above 0."),
    ],
)
def test_a_feed_that_cannot_be_is_one_clear_line(settings, values, told):
    for name, value in values.items():
        setattr(settings, name, value)
    with pytest.raises(FeedImpossible) as refusal:
        feed_for(settings, Stop(), Options())
    assert str(refusal.value) == told
    with pytest.raises(CommandError) as failure:
        call_command("monitor_games", "--once")
    assert str(failure.value) == told


@pytest.mark.django_db
def test_once_polls_once_and_says_what_it_did(settings):
    with Upstream(rounds=bcgame_rounds(120)) as upstream:
        settings.FEED, settings.BCGAME_API_URL = "bcgame", upstream.url
        out = StringIO()
        call_command("monitor_games", "--once", "--max-pages=2", stdout=out)
        assert upstream.pages == [1, 2]
        assert out.getvalue() == "100 games recorded, 0 updated, 0 rejected, 0 unreadable.\n"
        upstream.misbehave.append("cloudflare")
        with pytest.raises(CommandError, match=r"^the site refuses: Cloudflare; next try in 10 s$"):
            call_command("monitor_games", "--once", stdout=out)


def test_at_least_one_page_is_read():
    with pytest.raises(CommandError, match=r"^--max-pages must be at least 1\.$"):
        call_command("monitor_games", "--max-pages=0")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("feed", ["none", "bcgame"])
def test_the_command_ends_at_once_on_a_signal(tmp_path, feed, number):
    """While it waits (none), and while the site hangs in the middle of an answer (bcgame)."""
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
                    assert upstream.arrived.wait(20)
                process.send_signal(number)
                out, errors = process.communicate(timeout=5)  # seconds; the client itself would wait for ten
            finally:
                process.kill()
    assert (process.returncode, out) == (0, "0 games recorded, 0 updated, 0 rejected, 0 unreadable.\n")
    assert "Traceback" not in errors
