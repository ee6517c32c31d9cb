"""The stack's beginning: whatever prevents it is one line, before any server starts."""

import socket
import subprocess
from contextlib import contextmanager

import pytest

from config.stack.stack import Stack, StackError, _names_servers
from tests.processes import PROJECT, free_port, run_manage


@contextmanager
def taken_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


def manage_stack(data, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    local = {"DJANGO_SETTINGS_MODULE": "config.settings.local", "DATA_DIR": str(data)}
    return run_manage("stack", *arguments, **local | environment)


def test_a_taken_port_is_one_line(tmp_path):
    with taken_port() as port, pytest.raises(StackError) as refusal:
        Stack(PROJECT, tmp_path, "127.0.0.1", port, {}).run()
    address = f"127.0.0.1:{port}"
    assert (
        str(refusal.value)
        == f"The web server cannot listen on {address} (Address already in use); set HOST or PORT to another."
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("port", [0, -1, 65_536])
def test_a_number_that_is_no_port_is_refused(tmp_path, port):
    with pytest.raises(StackError, match=rf"^PORT: {port} is not a number from 1 to 65535\.$"):
        Stack(PROJECT, tmp_path, "127.0.0.1", port, {}).run()


def test_a_data_dir_that_cannot_be_a_folder_is_one_line(tmp_path):
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(StackError, match=rf"^DATA_DIR: {file} cannot be written \(File exists\)\.$"):
        Stack(PROJECT, file, "127.0.0.1", free_port(), {}).run()


def test_the_command_fails_in_one_line_without_a_traceback(tmp_path):
    with taken_port() as port:
        done = manage_stack(tmp_path, "--port", str(port))
    assert done.returncode == 1
    assert done.stderr.startswith(f"The web server cannot listen on 127.0.0.1:{port} (")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"PORT": "abc"}, "Invalid settings: PORT: 'abc' is not a whole number of at least 1.\n"),
        ({"WEB_WORKERS": "0"}, "Invalid settings: WEB_WORKERS: '0' is not a whole number of at least 1.\n"),
        ({"SITE": "foo"}, "Invalid settings: SITE: 'foo' is not one of bcgame, bustabit.\n"),
        (
            {"SITE": "bustabit"},
            "CommandError: FEED=replay gives games of SITE=bcgame, but SITE is bustabit.\n",
        ),
        ({"REPLAY_SPEED": "fast"}, "Invalid settings: REPLAY_SPEED: 'fast' is not a number above 0.\n"),
    ],
)
def test_a_wrong_variable_is_one_line_before_any_server_starts(tmp_path, environment, expected):
    done = manage_stack(tmp_path, **environment)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", expected)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({}, False),
        ({"REDIS_URL": "redis://elsewhere/0"}, True),
        ({"REDIS_URL": "unix:///own"}, False),  # exported for commands, and still there at the next `make run`
        ({"REDIS_HOST": "elsewhere"}, True),
        ({"CACHE_URL": "redis://a/0", "STATE_URL": "redis://b/0"}, False),
        ({"CACHE_URL": "redis://a/0", "STATE_URL": "redis://b/0", "BROKER_URL": "redis://c/0"}, True),
    ],
)
def test_servers_of_the_operator_are_used_instead_of_our_own(environment, named):
    assert _names_servers(environment, but="unix:///own") is named
