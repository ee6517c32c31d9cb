"""Random histories of games, jobs and faults. `make fuzz` runs many more of them (docs/fuzzing.md)."""

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from analytics import services, view_maintenance, view_writes
from analytics.database import game_reads
from analytics.live import pending, reader, scripts
from analytics.live.keys import WRITER
from cachecore.redis_client import connections
from tests.analytics import view_dump, view_queries
from tests.analytics.connection_faults import Fault, inject
from tests.analytics.machine import ViewMachine, environment
from tests.analytics.view_cells import PREFIX

pytestmark = pytest.mark.django_db

HISTORIES = int(os.environ.get("FUZZ_HISTORIES", "200"))
SHARDS = max(2, HISTORIES // 500)  # enough for every process of pytest-xdist


@pytest.mark.timeout(30 * 60)
@pytest.mark.parametrize("shard", range(SHARDS))
def test_the_view_is_right_after_random_histories(record_property, shard):
    before = ViewMachine.finished
    run(ViewMachine, histories=-(-HISTORIES // SHARDS))
    record_property("histories", ViewMachine.finished - before)


def run(machine: type[ViewMachine], histories: int) -> None:
    with environment():
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=histories,
                stateful_step_count=15,
                deadline=None,
                print_blob=True,
                suppress_health_check=list(HealthCheck),
            ),
        )


class SmallBatches(ViewMachine):
    """A machine whose writers apply many batches per run, each of which may be the last.

    Between two batches the view has versions that the machine does not observe, so it does not check readers.
    """

    read = None


@pytest.mark.parametrize("games", [1, 3])
def test_the_view_is_right_however_small_the_batches(monkeypatch, games):
    monkeypatch.setattr(view_writes, "BATCH_GAMES", games)
    run(SmallBatches, histories=50)


# Failures that the machine has found, as it printed them --------------------------------------------------------------


@pytest.fixture
def machine():
    with environment():
        machine = ViewMachine()
        machine.start(games={}, conditions=["min:2"], keep=10**13, days=10**5, built=True)
        yield machine


def test_the_last_games_are_the_newest_after_the_head_moved_to_another_chunk(machine):
    machine.save(found={1: (200, None)}, marked=True)
    services.apply_pending()
    assert view_queries.run("last", ["min:2"], 1, 0, 0)[1] == [((1,), 0)]
    machine.save(found={4096: (200, None)}, marked=True)
    services.apply_pending()
    assert view_queries.run("last", ["min:2"], 1, 0, 0)[1] == [((4096,), 0)]


def test_a_swap_whose_reply_was_lost_is_repeated_without_harm(machine):
    machine.save(found={1: (200, None)}, marked=True)
    with inject(Fault(1, scripts=True, answered=True, cuts=1)):
        services.rebuild_view()
    assert reader.view_state() is not None


def test_a_rebuild_without_the_index_leaves_no_chunk_of_the_old_view(machine):
    machine.save(found={1: (200, None), 10_000_000: (200, None)}, marked=True)
    machine.drain()
    lose("chunks")
    machine.delete(which=["first"], marked=True)
    services.rebuild_view()
    assert not view_dump.take().unexpected_keys


def test_a_game_that_comes_back_after_such_a_rebuild_is_applied(machine):
    machine.save(found={1: (200, None), 10_000_000: (200, None)}, marked=True)
    machine.drain()
    lose("chunks")
    machine.delete(which=["first"], marked=True)
    services.rebuild_view()
    machine.save(found={1: (200, None)}, marked=True)
    applied = services.apply_pending()
    assert (applied.new, applied.unchanged) == (1, 0)


def test_a_rebuild_without_the_state_leaves_no_key_of_the_old_conditions(machine):
    machine.configure(conditions=["min:10"])
    lose("state")
    services.apply_pending()
    assert not view_dump.take().unexpected_keys


def test_games_of_a_lost_chunk_are_not_counted_twice(machine):
    machine.save(found={1: (200, None), 2: (100, None)}, marked=True)
    machine.drain()
    lose("ledger:0")
    view_maintenance.reconcile(view_maintenance.chunks_likely_to_differ())
    services.apply_pending()
    view = reader.view_state()
    assert view is None or view.games == 2


def test_occurrences_that_were_lost_are_built_again_and_not_written_in_part(machine):
    machine.save(found={1: (200, None)}, marked=True)
    machine.drain()
    lose("occurrences:min:2")
    machine.save(found={2: (100, None)}, marked=True)
    services.apply_pending()
    assert view_queries.run("occurrences", ["min:2"], 1, 0, 0)[1] == [(1, 2, None, None)]


def test_a_lock_whose_reply_was_lost_does_not_block_the_next_writer(machine):
    machine.save(found={1: (200, None)}, marked=True)
    with inject(Fault(1, answered=True, cuts=1)):  # after the DEL of `woken`
        services.apply_pending()
    services.apply_pending()
    assert pending.size() == 0


def test_a_clean_up_that_a_newer_writer_fences_is_left_to_the_next_run(machine):
    with inject(Fault(1, scripts=True, meanwhile=take_over)):
        assert view_maintenance.clean_up() is None


def test_without_ids_no_games_are_read():
    assert len(game_reads.games_by_id([])) == 0


def test_the_only_game_of_the_ledger_may_be_deleted(machine):
    machine.keep(keep=1, days=10**5)
    machine.save(found={1: (200, None), 4097: (200, None)}, marked=True)
    machine.drain()
    machine.run(job="rebuild")
    machine.check_view()
    machine.delete(which=["head"], marked=True)
    machine.drain()


def test_a_late_game_in_a_bucket_that_was_dropped_is_not_counted_there(machine):
    machine.save(found={1: (200, 0), 2: (200, 3 * 86_400_000)}, marked=True)
    machine.drain()
    machine.keep(keep=10**13, days=18)
    machine.run(job="clean_up")
    machine.check_view()
    machine.save(found={3: (200, 1)}, marked=True)
    machine.drain()


def test_a_stalled_writer_applies_a_game_that_was_deleted_unmarked_until_it_is_reconciled(machine):
    machine.save(found={1: (200, None), 2: (100, None)}, marked=True)
    machine.stall()
    machine.delete(which=["first"], marked=False)
    machine.check_view()
    machine.stalled_writer_continues()
    machine.check_view()
    assert (machine.last_dump.ledger.keys(), machine.missed) == ({1, 2}, {1})
    machine.drain()


def take_over() -> None:
    with connections.guarded_client("state") as client:
        scripts.take_token(client, [WRITER.key()])


def lose(name: str) -> None:
    with connections.guarded_client("state") as client:
        assert client.delete(PREFIX + name)
