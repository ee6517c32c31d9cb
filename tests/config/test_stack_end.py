"""Ctrl-C ends `make run` without an error, whenever it comes, and every service ends in time."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from tests.config.running_stack import inherited_environment
from tests.processes import PROJECT, free_port

pytestmark = pytest.mark.timeout(300)

MORE_THAN_BARE_PYTHON = 25_000_000  # bytes; Python takes 10 MB and Django 100
NO_ERROR = (0, 130, -signal.SIGINT)  # make itself dies of the signal, which its shell calls 130


@pytest.fixture
def make_run(tmp_path):
    """Start `make run` in a process group of its own, as a terminal does."""
    started = []

    def start() -> subprocess.Popen[str]:
        environment = inherited_environment(DATA_DIR=str(tmp_path / "data"), PORT=str(free_port()), FEED="none")
        process = subprocess.Popen(
            ["make", "--old-file=.venv/local.stamp", f"RUN={sys.executable}", "run"],  # noqa: S607
            cwd=PROJECT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def read_until(process, word: str) -> str:
    lines = []
    for line in process.stdout:
        lines.append(line)
        if word in line:
            return "".join(lines)
    raise AssertionError("".join(lines))


def press_ctrl_c(process) -> str:
    """Send SIGINT to the whole group; return what is printed from then on."""
    os.killpg(process.pid, signal.SIGINT)
    return process.communicate(timeout=60)[0]


def test_ctrl_c_ends_a_running_stack_without_an_error_and_nothing_is_killed(make_run):
    process = make_run()
    before = read_until(process, "Crash Monitor is ready")
    after = press_ctrl_c(process)
    assert process.returncode in NO_ERROR
    assert "***" not in after
    assert "killed" not in after, "each service ends within its 5 s"
    assert "superuser" not in before + after


def test_ctrl_c_while_django_is_imported_is_no_error_either(make_run):
    process = make_run()
    wait_until(lambda: any(one.memory_info().rss > MORE_THAN_BARE_PYTHON for one in children(process)))
    assert "***" not in press_ctrl_c(process)
    assert process.returncode in NO_ERROR


def test_ctrl_c_while_games_are_loaded_is_no_error_either(make_run, tmp_path):
    process = make_run()
    wait_until(lambda: (tmp_path / "data" / "crash.sqlite3").exists())  # migrations have begun
    assert "***" not in press_ctrl_c(process)
    assert process.returncode in NO_ERROR


def children(process) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def wait_until(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
