from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from games.feeds.monitor import Monitor
from games.feeds.replay.chain import FIRST_GAME, LAST_GAME, LAST_HASH, crash_of, hash_of
from games.feeds.replay.feed import MIN_WAIT_SECONDS, ReplayFeed
from games.feeds.replay.rounds import SOURCE, first_day, flight_ms, rounds_after
from games.models import Game
from games.rounds import Round
from games.services import record_games
from tests.games.feeds import RecordedWaits

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.time = NOW

    def __call__(self) -> datetime:
        return self.time

    def pass_seconds(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@pytest.fixture
def clock():
    return Clock()


def game(game_id: int, **fields) -> Round:
    return Round(**{"game_id": game_id, "crash_hundredths": crash_of(game_id), "hash": hash_of(game_id), **fields})


def record(*rounds: Round) -> None:
    record_games(rounds, source="test")


def monitor(clock, speed: float = 1.0) -> Monitor:
    return Monitor(ReplayFeed(clock, speed), RecordedWaits())


# Published games of that stretch; the second needs toPrecision(9), the third the clamp at 1.00.
@pytest.mark.parametrize(
    ("game_id", "hash_", "hundredths"),
    [
        (5_527_938, "75571fb16cc6e0f185233fae2d843a314a2091a7d8dd0ec45332f7758d20299b", 663),
        (5_882_139, "ee26c15d260a40f3c17c2af08fb39b20b4839277d3deaf719a6646deea9799cd", 12_715_129),
        (5_832_133, "65741c754d35abe93d359830d92de241fc69abd469f4c15387e975a1a0861f4e", 100),
    ],
)
def test_the_chain_holds_the_published_games(game_id, hash_, hundredths):
    assert (hash_of(game_id), crash_of(game_id)) == (hash_, hundredths)


def test_the_chain_ends_with_the_published_hash_and_has_no_more():
    assert hash_of(LAST_GAME) == LAST_HASH
    for outside in (FIRST_GAME - 1, LAST_GAME + 1):
        with pytest.raises(IndexError, match=f"game {outside} is not replayed"):
            hash_of(outside)


@pytest.mark.parametrize(("hundredths", "milliseconds"), [(100, 0), (200, 11_552), (1_000, 38_376)])
def test_a_flight_lasts_as_long_as_the_growth_needs(hundredths, milliseconds):
    assert flight_ms(hundredths) == milliseconds  # ln(x) / 0.00006


def test_the_times_of_a_game_follow_from_the_end_of_the_one_before():
    end, round_ = next(rounds_after(5_527_937, NOW, 1))
    begin = NOW + timedelta(seconds=12.4)
    assert round_.prepare_time == NOW + timedelta(seconds=6.4)
    assert (round_.begin_time, round_.end_time) == (begin, begin + timedelta(milliseconds=31_526))  # ln(6.63) / 0.00006
    assert end == round_.end_time


def test_the_speed_divides_every_time():
    slow, _ = next(rounds_after(FIRST_GAME, NOW, 1))
    fast, _ = next(rounds_after(FIRST_GAME, NOW, 8))
    assert (fast - NOW) * 8 == pytest.approx(slow - NOW, abs=timedelta(microseconds=20))


def test_the_first_day_is_a_day_of_natural_games_that_ends_just_before_now():
    day = first_day(NOW)
    assert [round_.game_id for round_ in day] == list(range(FIRST_GAME, FIRST_GAME + len(day)))
    assert day[0].begin_time == NOW - timedelta(hours=24) + timedelta(seconds=12.4)
    following, _ = next(rounds_after(day[-1].game_id, day[-1].end_time, 1))
    assert day[-1].end_time <= NOW < following
    assert first_day(NOW) == day


@pytest.mark.django_db
def test_the_next_game_comes_when_it_has_ended_and_never_before(clock):
    record(game(5_527_937, end_time=NOW))
    watching = monitor(clock)
    seconds = watching.step()
    assert seconds == pytest.approx(12.4 + 31.526)
    assert Game.objects.count() == 1
    clock.pass_seconds(seconds - 0.01)
    assert watching.step() == pytest.approx(MIN_WAIT_SECONDS)
    assert Game.objects.count() == 1
    clock.pass_seconds(0.01)
    watching.step()
    newest = Game.objects.first()
    assert (newest.game_id, newest.verified, newest.source) == (5_527_938, True, "replay (synthetic times)")
    assert newest.end_time == clock.time


@pytest.mark.django_db
def test_an_empty_table_begins_with_the_game_that_ends_now(clock):
    monitor(clock).step()
    assert Game.objects.values_list("game_id", "end_time").get() == (FIRST_GAME, NOW)


@pytest.mark.django_db
def test_missed_games_are_caught_up_in_batches_and_none_lies_in_the_future(clock):
    record(game(FIRST_GAME, end_time=NOW - timedelta(hours=12)))
    watching = monitor(clock)
    waits = [watching.step() for _ in range(4)]
    assert waits[:2] == [MIN_WAIT_SECONDS] * 2  # full batches
    ids = list(Game.objects.order_by("game_id").values_list("game_id", flat=True))
    assert ids == list(range(FIRST_GAME, FIRST_GAME + len(ids)))
    newest = Game.objects.first()
    following, _ = next(rounds_after(newest.game_id, newest.end_time, 1))
    assert newest.end_time <= NOW < following


@pytest.mark.django_db
def test_a_fast_replay_records_many_games_in_one_poll_and_keeps_the_pace(clock):
    record(game(FIRST_GAME, end_time=NOW))
    watching = monitor(clock, speed=10_000)
    for _ in range(20):
        seconds = watching.step()
        assert seconds == MIN_WAIT_SECONDS
        clock.pass_seconds(seconds)
    expected = sum(1 for end, _ in zip_until(rounds_after(FIRST_GAME, NOW, 10_000), NOW + timedelta(seconds=1.9)))
    # Cut to milliseconds once per poll: a little fast at the most.
    assert expected <= Game.objects.count() - 1 <= expected * 1.02
    assert expected > 500
    assert not Game.objects.filter(end_time__gt=clock.time).exists()


def zip_until(timed, end):
    for found in timed:
        if found[0] > end:
            return
        yield found


@pytest.mark.django_db
def test_a_game_without_times_counts_from_when_it_was_recorded(clock):
    record(game(FIRST_GAME))
    Game.objects.update(created_at=NOW - timedelta(minutes=10))
    monitor(clock).step()
    assert Game.objects.count() > 5


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("newest", "trouble"),
    [
        (
            Round(game_id=9_313_905, crash_hundredths=416),
            "the newest game, 9,313,905, is not one of the replayed games, 5,300,000 to 5,900,000: nothing to replay",
        ),
        (
            Round(game_id=FIRST_GAME, crash_hundredths=416, hash="a" * 64),
            "the newest game, 5,300,000, has a hash from another chain: nothing to replay",
        ),
        (
            Round(game_id=LAST_GAME, crash_hundredths=416),
            "the replay has reached the end of its chain, game 5,900,000",
        ),
        (
            Round(game_id=FIRST_GAME, crash_hundredths=416, end_time=NOW + timedelta(hours=1)),
            "the newest game, 5,300,000, ends in the future, at 2026-06-01 13:00:00 UTC: the replay waits",
        ),
    ],
)
def test_a_table_that_cannot_be_continued_is_logged_once_and_waited_out(clock, caplog, newest, trouble):
    record(newest)
    watching = monitor(clock)
    with caplog.at_level("INFO", logger="games.feeds"):
        assert [watching.step() for _ in range(3)] == [60.0] * 3
    assert caplog.messages == [trouble]
    assert Game.objects.count() == 1


@pytest.mark.django_db
def test_the_last_game_of_the_chain_is_played(clock):
    record(game(LAST_GAME - 1, end_time=NOW - timedelta(hours=1)))
    watching = monitor(clock)
    watching.step()
    assert (Game.objects.first().game_id, Game.objects.first().verified) == (LAST_GAME, True)
    assert watching.problem is None
    watching.step()
    assert watching.problem == "the replay has reached the end of its chain, game 5,900,000"


def load_history() -> str:
    out = StringIO()
    call_command("load_history", stdout=out)
    return out.getvalue()


@pytest.mark.django_db
def test_load_history_fills_an_empty_table_once(settings):
    settings.FEED = "replay"
    said = load_history()
    games = Game.objects.order_by("game_id")
    oldest, newest, count = games.first(), games.last(), games.count()
    assert said.startswith(
        f"Loaded {count:,} games, 5300000 to {5_299_999 + count}, {oldest.end_time:%Y-%m-%d %H:%M} to "
    )
    assert 2_500 < count < 3_500
    assert games.filter(verified=True, source=SOURCE).count() == count
    assert timedelta(hours=23) < newest.end_time - oldest.end_time < timedelta(hours=24)
    assert newest.end_time <= datetime.now(UTC)
    assert load_history() == "The table already has games, so no history was loaded.\n"
    assert games.count() == count


@pytest.mark.django_db
@pytest.mark.parametrize("feed", ["bcgame", "none"])
def test_load_history_has_nothing_for_other_feeds(settings, feed):
    settings.FEED = feed
    assert load_history() == f"FEED is {feed}, so there is no history to load.\n"
    assert not Game.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("command", ["load_history", "monitor_games"])
def test_the_replay_is_of_bcgame_only(settings, command):
    settings.FEED, settings.SITE = "replay", "bustabit"
    with pytest.raises(CommandError, match=r"^FEED=replay gives games of SITE=bcgame, but SITE is bustabit\.$"):
        call_command(command)
    assert not Game.objects.exists()
