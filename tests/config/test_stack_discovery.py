"""Commands find a running stack's servers by its DATA_DIR, and what the operator sets wins."""

import json
import os
import subprocess
import sys

import pytest

from config.stack.discovery import (
    FILE_NAME,
    AlreadyRunning,
    RunningStack,
    adopt_running_stack,
    claimed,
    find_running_stack,
)
from tests.config.running_stack import RunningStack as StackProcess
from tests.config.running_stack import inherited_environment
from tests.processes import PROJECT

OWN = {"REDIS_URL": "unix:///data/valkey.sock?db=0"}
CLAIM = """
import sys, time
from pathlib import Path
from config.stack.discovery import claimed
with claimed(Path(sys.argv[1])) as claim:
    claim.publish({"REDIS_URL": "unix:///data/valkey.sock?db=0"})
    print("claimed", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def other_process(tmp_path):
    """Another process that has claimed the folder."""
    process = subprocess.Popen([sys.executable, "-c", CLAIM, tmp_path], cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "claimed\n"
    yield process
    process.kill()
    process.communicate()


def test_a_running_stack_is_found_by_its_folder(tmp_path, other_process):
    assert find_running_stack(tmp_path) == RunningStack(other_process.pid, OWN)


def test_a_second_stack_in_the_same_folder_is_refused_and_learns_whose_it_is(tmp_path, other_process):
    with pytest.raises(AlreadyRunning, match=f"^{other_process.pid}$"), claimed(tmp_path):
        pass
    assert find_running_stack(tmp_path) == RunningStack(other_process.pid, OWN)


def test_what_a_killed_stack_left_behind_is_ignored_and_taken_over(tmp_path, other_process):
    other_process.kill()
    other_process.wait()
    assert (tmp_path / FILE_NAME).exists()
    assert find_running_stack(tmp_path) is None
    with claimed(tmp_path) as claim:
        assert find_running_stack(tmp_path) is None, "its servers do not run yet"
        claim.publish({"DATABASE_URL": "sqlite:///x"})
        assert find_running_stack(tmp_path) == RunningStack(os.getpid(), {"DATABASE_URL": "sqlite:///x"})


def test_the_file_is_for_its_owner_alone_and_goes_with_the_stack(tmp_path):
    with claimed(tmp_path) as claim:
        claim.publish({"REDIS_URL": "redis://:secret@host/0", "SECRET_KEY": "not for the file"})
        assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600
        assert json.loads((tmp_path / FILE_NAME).read_text())["environment"] == {"REDIS_URL": "redis://:secret@host/0"}
    assert list(tmp_path.iterdir()) == []


def test_without_a_stack_nothing_is_adopted(tmp_path):
    environment = {}
    adopt_running_stack(tmp_path / "missing", environment)
    assert environment == {}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, {"DATABASE_URL": "postgres://db/crash", "CACHE_URL": "redis://cache", "REDIS_URL": "redis://state"}),
        (
            {"REDIS_URL": "redis://mine"},
            {"DATABASE_URL": "postgres://db/crash", "REDIS_URL": "redis://mine"},
        ),
        (
            {"REDIS_HOST": "mine", "DATABASE_URL": "sqlite:///mine"},
            {"REDIS_HOST": "mine", "DATABASE_URL": "sqlite:///mine"},
        ),
    ],
)
def test_variables_of_the_operator_win_group_by_group(tmp_path, environment, expected):
    with claimed(tmp_path) as claim:
        claim.publish(
            {"DATABASE_URL": "postgres://db/crash", "CACHE_URL": "redis://cache", "REDIS_URL": "redis://state"}
        )
        adopt_running_stack(tmp_path, environment)
    assert environment == expected


@pytest.mark.timeout(300)
def test_a_command_needs_nothing_but_the_data_dir_of_a_running_stack(tmp_path):
    stack = StackProcess(tmp_path / "data", FEED="none")
    try:
        stack.wait_until_ready()
        assert stack.printed().endswith(
            f"Crash Monitor is ready: {stack.url}/\nFor commands in another terminal: export DATA_DIR={stack.data}\n"
        )
        state_url = manage(
            stack, "shell", "--no-imports", "-c", "from django.conf import settings; print(settings.STATE_URL)"
        )
        assert state_url == f"unix://{stack.data}/valkey/valkey.sock?db=0\n"
        assert manage(stack, "apply_pending").startswith("Applied 0 new, ")
        assert_a_second_stack_is_refused(stack)
    finally:
        stack.stop()
    assert not (stack.data / FILE_NAME).exists()


def manage(stack, *words: str) -> str:
    done = run(stack, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def assert_a_second_stack_is_refused(stack) -> None:
    done = run(stack, "stack")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"DATA_DIR: a stack runs in {stack.data} already (pid {stack.process.pid}); stop it, "
        "or set DATA_DIR to another folder.\n"
    )


def run(stack, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=PROJECT,
        env=inherited_environment(DATA_DIR=str(stack.data)),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
