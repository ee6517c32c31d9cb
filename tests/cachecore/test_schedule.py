"""Jobs that run once at a time, and the record of their last run."""

import pytest

from cachecore.clock import now_ms
from cachecore.locks import lock
from cachecore.schedule import last_run, single_run


def test_a_run_is_recorded_with_its_result():
    before = now_ms()

    @single_run("count", 10)
    def count() -> dict[str, int]:
        return {"counted": 3}

    assert count() == {"counted": 3}
    run = last_run("count")
    assert before <= run.started_ms <= run.finished_ms <= now_ms()
    assert (run.outcome, run.result) == ("done", {"counted": 3})


def test_a_second_run_at_the_same_time_does_nothing():
    runs = []

    @single_run("count", 10)
    def count() -> None:
        runs.append(1)

    with lock("job:count", 10):
        assert count() is None
    assert runs == []
    assert last_run("count") is None


def test_a_failure_is_recorded_and_raised():
    @single_run("fail", 10)
    def fail() -> None:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        fail()
    assert (last_run("fail").outcome, last_run("fail").result) == ("failed", "RuntimeError")


def test_a_job_succeeds_although_its_run_cannot_be_recorded(valkey, caplog):
    @single_run("leave", 10)
    def leave() -> str:
        valkey.stop()
        return "done"

    assert leave() == "done"
    assert "The job leave ended (done), but its run was not recorded: Redis role 'state'" in caplog.text


def test_a_result_that_json_cannot_encode_is_recorded_as_its_repr():
    @single_run("odd", 10)
    def odd() -> object:
        return 1j

    odd()
    assert last_run("odd").result == "1j"
