"""The feed against a real HTTP server: whatever the site does, every round is recorded once."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from games.feeds.bcgame.client import ATTEMPTS, PAGE_SIZE, HistoryClient
from games.feeds.bcgame.feed import BCGameFeed, Options
from games.feeds.monitor import Monitor
from games.models import Game
from games.rounds import TIME_FIELDS, Round
from games.services import MAX_JUMP, record_games
from tests.chains import bcgame_rounds, timed
from tests.games.feeds import RecordedWaits
from tests.upstream import Upstream

pytestmark = pytest.mark.django_db

END = datetime(2026, 6, 6, 11, 31, 57, 219_000, tzinfo=UTC)


def genuine(n: int) -> list[Round]:
    return timed(bcgame_rounds(n), END)


@pytest.fixture
def upstream():
    with Upstream() as server:
        yield server


class Watch:
    """A monitor of the upstream, with the waits inside a poll and a clock for gaps that are requested again later."""

    def __init__(self, upstream: Upstream, **options) -> None:
        self.stop = RecordedWaits()
        self.seconds = 0.0
        client = HistoryClient(upstream.url, self.stop, read_timeout_seconds=0.25, total_timeout_seconds=0.25)
        self.feed = BCGameFeed(client, Options(**options), monotonic=lambda: self.seconds)
        self.monitor = Monitor(self.feed, self.stop)

    def step(self) -> float:
        return self.monitor.step()


@pytest.fixture
def watch(upstream):
    made: list[Watch] = []

    def make(**options) -> Watch:
        made.append(Watch(upstream, **options))
        return made[-1]

    yield make
    for watching in made:
        watching.feed.close()


def stored() -> list[Round]:
    fields = ("game_id", "crash_hundredths", "hash", *TIME_FIELDS)
    return [Round(**row) for row in Game.objects.order_by("game_id").values(*fields)]


def record(rounds: list[Round]) -> None:
    record_games(rounds, source="before")


@pytest.mark.parametrize("shape", ["list", "items"])
@pytest.mark.parametrize(("ids_as", "rates_as"), [(str, str), (int, float)])
def test_an_empty_table_gets_all_that_the_site_has(upstream, watch, shape, ids_as, rates_as):
    upstream.shape, upstream.ids_as, upstream.rates_as = shape, ids_as, rates_as
    upstream.rounds = genuine(120)
    watching = watch()
    assert watching.step() == 5.0
    assert stored() == upstream.rounds
    assert set(Game.objects.values_list("verified", "source")) == {(True, "bcgame")}
    assert upstream.pages == [1, 2, 3, 4]
    assert watching.monitor.totals.created == 120


def test_a_poll_over_many_pages_is_oldest_first(upstream, watch):
    upstream.rounds = genuine(120)
    assert watch().feed.poll().rounds == upstream.rounds


def test_the_request_is_the_recorded_one(upstream, watch):
    upstream.rounds = genuine(1)
    watch().step()
    assert upstream.requests[0] == {"gameUrl": "crash", "page": 1, "pageSize": PAGE_SIZE}


def test_stored_games_on_the_first_page_are_not_written_again(upstream, watch):
    upstream.rounds = genuine(120)
    record(upstream.rounds[:-3])
    watching = watch()
    watching.step()
    watching.step()
    assert upstream.pages == [1, 1]
    assert stored() == upstream.rounds
    assert (watching.monitor.totals.created, watching.monitor.totals.updated) == (3, 0)


def test_a_gap_larger_than_a_page_is_read_back_to_the_newest_stored_game(upstream, watch):
    upstream.rounds = genuine(300)
    record(upstream.rounds[:80])
    watch().step()
    assert upstream.pages == [1, 2, 3, 4, 5]
    assert stored() == upstream.rounds


def test_games_that_end_while_it_pages_shift_the_pages_and_lose_nothing(upstream, watch):
    everything = genuine(200)
    upstream.rounds = everything[:150]
    record(upstream.rounds[:10])

    def three_more_games(page: int) -> None:
        upstream.rounds = everything[: len(upstream.rounds) + 3]

    upstream.before = three_more_games
    watching = watch()
    watching.step()
    upstream.before = lambda page: None
    watching.step()
    assert stored() == upstream.rounds
    assert watching.monitor.totals.created == len(upstream.rounds) - 10
    assert watching.monitor.totals.rejected == 0


def test_a_round_that_gets_its_times_between_two_pages_is_recorded_with_them(upstream, watch):
    everything = genuine(60)
    upstream.rounds = [replace(round_, end_time=None) for round_ in everything[:-1]]

    def report_times(page: int) -> None:
        if page == 2:
            upstream.rounds = everything  # the last of page 1 is the first of page 2 now, and has its end time

    upstream.before = report_times
    watch().step()
    assert Game.objects.get(game_id=everything[9].game_id).end_time == everything[9].end_time


def test_a_server_with_smaller_pages_is_read_all_the_same(upstream, watch):
    upstream.page_size = 20
    upstream.rounds = genuine(100)
    record([*upstream.rounds[:31], *upstream.rounds[34:50]])
    watching = watch()
    watching.step()
    watching.step()
    assert stored() == upstream.rounds


def test_a_server_that_ignores_the_page_number_is_not_read_for_ever(upstream, watch):
    upstream.rounds = genuine(50)
    everything = upstream.rounds
    upstream.before = lambda page: setattr(upstream, "rounds", everything * page)
    watch().step()
    assert upstream.pages == [1, 2]
    assert stored() == everything


def test_games_older_than_the_option_allows_are_logged_as_missing(upstream, watch, caplog):
    upstream.rounds = genuine(300)
    record(upstream.rounds[:20])
    first = upstream.rounds[20].game_id
    watch(max_pages=3).step()
    assert upstream.pages == [1, 2, 3]
    assert stored() == upstream.rounds[:20] + upstream.rounds[150:]
    assert (
        f"games {first} to {first + 129} are missing: they are older than the pages that were read" in caplog.messages
    )


def test_gaps_among_recent_ids_are_filled_from_the_pages_where_they_should_be(upstream, watch):
    upstream.rounds = genuine(600)
    holes = {40, *range(100, 230), 590}  # on page 12, on pages 8 to 10, on page 1
    record([round_ for position, round_ in enumerate(upstream.rounds) if position not in holes])
    watching = watch(gap_pages=2)
    watching.step()
    assert upstream.pages == [1, 8, 9]  # page 1 held its own gap
    watching.step()
    watching.step()
    assert upstream.pages == [1, 10, 12, 1]
    assert stored() == upstream.rounds


def test_a_gap_is_found_also_where_the_site_itself_lacks_games(upstream, watch):
    everything = genuine(400)
    upstream.rounds = everything[:250] + everything[320:]
    record(everything[:101] + everything[102:250] + everything[320:])
    watching = watch()
    for _ in range(3):
        watching.step()
    assert stored() == upstream.rounds


def test_a_gap_that_the_site_cannot_fill_is_requested_again_only_later(upstream, watch, caplog):
    everything = genuine(300)
    upstream.rounds = everything[:100] + everything[101:]
    record(upstream.rounds)
    watching = watch()
    for _ in range(3):
        watching.step()
    assert upstream.pages == [1, 4, 1, 1]
    watching.seconds += 600
    watching.step()
    assert upstream.pages == [1, 4]
    gap = everything[100].game_id
    message = f"games {gap} to {gap} are missing, and the site does not return them"
    assert caplog.messages.count(message) == 1


def test_gaps_beyond_the_sites_reach_are_left_alone(upstream, watch):
    upstream.rounds = genuine(300)
    record(upstream.rounds[:50] + upstream.rounds[51:])
    watch(max_pages=3).step()
    assert upstream.pages == [1]


@pytest.mark.parametrize("fault", ["error", "drop", "hang", "trickle"])
def test_a_temporary_failure_is_retried_with_growing_random_waits(upstream, watch, fault):
    upstream.rounds = genuine(120)
    upstream.misbehave.extend([fault, None, fault, fault])
    watching = watch()
    assert watching.step() == 5.0
    assert stored() == upstream.rounds
    assert watching.monitor.problem is None
    assert len(watching.stop.seconds) == 3
    assert all(0 <= seconds <= 1 for seconds in watching.stop.seconds)


def test_an_unreachable_site_slows_polling_and_the_rounds_already_read_are_kept(upstream, watch, caplog):
    upstream.rounds = genuine(120)
    record(upstream.rounds[:10])
    upstream.misbehave.extend([None, *["error"] * ATTEMPTS])
    watching = watch()
    assert watching.step() == 10.0
    assert watching.monitor.problem == "the site does not answer: HTTP 500; next try in 10 s"
    assert stored() == upstream.rounds[:10] + upstream.rounds[70:]
    upstream.misbehave.extend(["error"] * ATTEMPTS)
    assert watching.step() == 20.0
    with caplog.at_level("INFO", logger="games.feeds"):
        assert watching.step() == 5.0  # back to normal; the gap is found and filled
    assert "resolved: the site does not answer: HTTP 500; next try in 20 s" in caplog.messages
    watching.step()
    assert stored() == upstream.rounds
    assert watching.monitor.totals.created == 110


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        ("cloudflare", "the site refuses the request: Cloudflare challenge"),
        ("forbidden", "the site refuses the request: HTTP 403"),
        ("code", "the site refuses the request: code 10005, too many"),
        ("html", "the site sends a malformed response: JSON is malformed: invalid character (byte 0)"),
        ("shapeless", "the site sends a malformed response: it has neither data.list nor data.items"),
        ("huge", "the site answers with more than 2,097,152 bytes"),
    ],
)
def test_a_refused_request_slows_polling_up_to_a_limit_and_is_not_retried_at_once(
    upstream, watch, caplog, fault, problem
):
    upstream.rounds = genuine(60)
    upstream.misbehave.extend([fault] * 4)
    watching = watch(interval_seconds=5, max_interval_seconds=20)
    assert [watching.step() for _ in range(5)] == [10, 20, 20, 20, 5]
    assert watching.stop.seconds == []
    assert caplog.messages == [
        f"{problem}; next try in 10 s",
        f"{problem}; next try in 20 s",
        "recorded 60 games up to 5900000",
        f"resolved: {problem}; next try in 20 s",
    ]
    assert stored() == upstream.rounds


def test_an_endlessly_nested_body_is_malformed(upstream, watch):
    upstream.misbehave.append("nested")
    watching = watch()
    assert watching.step() == 10.0
    assert watching.monitor.problem.startswith("the site sends a malformed response: ")


def test_a_broken_round_stops_no_other_is_logged_once_and_is_recorded_when_repaired(upstream, watch, caplog):
    upstream.rounds = genuine(60)
    broken = upstream.rounds[55].game_id
    upstream.broken[broken] = {"gameId": str(broken), "gameDetail": '{"rate":"?"}'}
    watching = watch()
    watching.step()
    watching.step()
    assert stored() == upstream.rounds[:55] + upstream.rounds[56:]
    assert watching.monitor.totals.unreadable == 1
    assert sum("unreadable round: Expected a number" in message for message in caplog.messages) == 1
    upstream.broken.clear()
    watching.step()
    assert stored() == upstream.rounds


def test_a_rejected_round_stops_no_other_and_is_logged_once(upstream, watch, caplog):
    good = genuine(60)
    bad = replace(good[30], hash=good[30].hash[:-1])
    upstream.rounds = [*good[:30], bad, *good[31:]]
    watching = watch()
    watching.step()
    watching.step()
    assert stored() == good[:30] + good[31:]
    assert watching.monitor.totals.rejected == 1
    message = f"rejected game {bad.game_id}: hash: expected 64 hexadecimal digits, got 63"
    assert caplog.messages.count(message) == 1


def test_a_page_without_a_readable_round_is_a_problem(upstream, watch):
    upstream.rounds = genuine(2)
    upstream.broken = {round_.game_id: {"id": 1} for round_ in upstream.rounds}
    watching = watch()
    assert watching.step() == 10.0
    assert watching.monitor.problem == (
        "the site returned no game: none of the 2 rounds on page 1 can be parsed; next try in 10 s"
    )
    assert watching.monitor.totals.unreadable == 1  # both rows say the same


def test_a_site_far_ahead_of_the_table_is_logged_once_and_not_paged(upstream, watch):
    upstream.rounds = genuine(120)
    newest = upstream.rounds[-PAGE_SIZE].game_id - MAX_JUMP - 1
    record([Round(game_id=newest, crash_hundredths=200)])
    watching = watch()
    assert watching.step() == 10.0
    assert upstream.pages == [1]
    assert watching.monitor.problem == (
        f"the site is more than 1,000,000 games ahead of the table, which ends with game {newest}: "
        "record one of its games by force, or use another database; next try in 10 s"
    )
    assert Game.objects.count() == 1


def test_a_single_rogue_id_is_rejected_and_moves_nothing(upstream, watch):
    good = genuine(120)
    record(good[:60] + good[61:115])
    upstream.rounds = [*good, Round(game_id=good[-1].game_id + 2 * MAX_JUMP, crash_hundredths=200)]
    watching = watch()
    watching.step()
    assert stored() == good
    assert watching.monitor.totals.rejected == 1
    assert upstream.pages == [1, 2]
