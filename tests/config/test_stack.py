import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis

from config.stack.stack import Stack, StackError, _names_servers
from config.stack.supervisor import procfile_commands
from config.stack.valkey import MAX_SOCKET_PATH_BYTES, Valkey, ValkeyError

PROJECT = Path(__file__).resolve().parents[2]


def wait_until(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


# Valkey --------------------------------------------------------------------------------------------------------


@pytest.fixture
def server(tmp_path):
    valkey = Valkey(tmp_path / "valkey")
    yield valkey
    valkey.stop()


def client(valkey: Valkey) -> redis.Redis:
    return redis.Redis.from_url(valkey.url)


def test_it_keeps_its_data_over_a_restart(server):
    server.start()
    client(server).set("key", "value")
    server.stop()
    server.start()
    assert client(server).get("key") == b"value"


def test_it_listens_on_no_port_and_never_evicts(server):
    server.start()
    config = client(server).config_get("port", "maxmemory-policy", "appendonly")
    assert config == {"port": "0", "maxmemory-policy": "noeviction", "appendonly": "yes"}


def test_a_killed_server_leaves_nothing_in_the_way(server):
    server.start()
    server.kill()
    server.start()
    assert client(server).ping()


def test_a_second_server_of_the_same_directory_is_refused_in_one_line(server):
    server.start()
    with pytest.raises(ValkeyError, match=r"A Valkey of .* is running already; stop it first\."):
        Valkey(server.directory).start()


def test_a_path_too_long_for_a_socket_gets_a_private_directory(tmp_path):
    valkey = Valkey(tmp_path / ("long" * 30))
    valkey.start()
    try:
        assert len(valkey.url.removeprefix("unix://").removesuffix("?db=0")) <= MAX_SOCKET_PATH_BYTES
        assert client(valkey).ping()
    finally:
        valkey.stop()


# The stack -----------------------------------------------------------------------------------------------------


def test_a_taken_port_is_one_clear_line(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(
            StackError, match=rf"127.0.0.1:{port} cannot be listened on \(Address already in use\); set HOST or PORT"
        ):
            Stack(PROJECT, tmp_path, "127.0.0.1", port, {}).run()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("port", [0, -1, 65_536])
def test_a_number_that_is_no_port_is_refused(tmp_path, port):
    with pytest.raises(StackError, match=rf"^{port} is no port: they are from 1 to 65535\.$"):
        Stack(PROJECT, tmp_path, "127.0.0.1", port, {}).run()


def test_a_folder_that_cannot_be_is_one_clear_line(tmp_path):
    file = tmp_path / "file"
    file.touch()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(StackError, match=rf"^DATA_DIR: {file} cannot be a folder \(File exists\)\.$"):
        Stack(PROJECT, file, "127.0.0.1", port, {}).run()


def test_the_command_says_it_without_a_traceback(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "manage.py", "stack", "--port", port],
            cwd=PROJECT,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings.local", "DATA_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("CommandError: 127.0.0.1:")


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


def test_the_procfile_names_the_four_processes_and_fills_in_variables(tmp_path):
    commands = procfile_commands(
        PROJECT / "Procfile", {"HOST": "127.0.0.1", "PORT": "8123", "WEB_WORKERS": "2", "DATA_DIR": "/a dir"}
    )
    assert list(commands) == ["web", "worker", "beat", "monitor"]
    assert "--port 8123 --workers 2" in commands["web"]
    assert "--schedule '/a dir/celerybeat-schedule'" in commands["beat"]
    assert commands["monitor"] == f"{sys.executable} manage.py monitor_games"


SUPERVISE = """
import sys
from pathlib import Path
from config.stack.supervisor import Supervisor
supervisor = Supervisor({commands!r}, {{}}, Path({directory!r}))
supervisor.loop()
sys.exit(supervisor.returncode)
"""
SLEEPER = """
import os, pathlib, signal, sys, time
if sys.argv[2] == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))
time.sleep(600)
"""


@pytest.fixture
def supervise(tmp_path):
    """Run children of these names and kinds under a supervisor of their own; returns it and their pids."""
    started = []
    script = tmp_path / "sleeper.py"
    script.write_text(SLEEPER)

    def start(**children: str):
        commands = {name: f"{sys.executable} {script} {name} {kind}" for name, kind in children.items()}
        code = SUPERVISE.format(commands=commands, directory=str(tmp_path))
        supervisor = subprocess.Popen([sys.executable, "-c", code], cwd=PROJECT, stdout=subprocess.DEVNULL)
        started.append(supervisor)
        files = [tmp_path / name for name in children]
        wait_until(lambda: all(file.exists() and file.read_text() for file in files))
        return supervisor, [int(file.read_text()) for file in files]

    yield start
    for supervisor in started:
        supervisor.kill()
        supervisor.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_every_child_also_those_that_hang(supervise, number):
    supervisor, pids = supervise(one="willing", two="deaf", three="stopped")
    os.kill(pids[2], signal.SIGSTOP)
    supervisor.send_signal(number)
    assert supervisor.wait(20) == 128 + number
    assert not any(map(alive, pids))


def test_all_children_hanging_are_ended_too(supervise):
    supervisor, pids = supervise(one="deaf", two="deaf")
    supervisor.send_signal(signal.SIGTERM)
    supervisor.wait(20)
    assert not any(map(alive, pids))


def test_a_child_that_dies_takes_the_others_and_the_exit_code_along(supervise):
    supervisor, pids = supervise(one="dies", two="lives")
    os.kill(pids[0], signal.SIGKILL)
    assert supervisor.wait(20) != 0
    assert not any(map(alive, pids))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells children of their parent's death")
def test_no_child_outlives_a_killed_supervisor(supervise):
    supervisor, pids = supervise(one="willing", two="willing")
    supervisor.kill()
    wait_until(lambda: not any(map(alive, pids)))
