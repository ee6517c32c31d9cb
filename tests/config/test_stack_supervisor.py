"""What honcho alone does not do: ends that it would not notice, and children that it would leave behind."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

PROJECT = Path(__file__).resolve().parents[2]
SUPERVISE = """
import json, sys
from pathlib import Path
from config.stack import supervisor
supervisor.KILL_SECONDS = 0.5
supervisor = supervisor.Supervisor(json.loads({commands!r}), {{"PATH": "/usr/bin:/bin"}}, Path({directory!r}))
{before}
supervisor.loop()
print("failed:", supervisor.failed, "code:", supervisor.returncode)
"""
SLEEP = "sleep 600"
SLEEP_IN_A_CHILD = "sh -c 'sleep 600; true'"
DEAF = "sh -c 'trap : TERM; while true; do sleep 600; done'"
on_linux = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only Linux tells children of their parent's death"
)


@pytest.fixture
def supervise(tmp_path):
    """Start a supervisor of these commands; gives it and, once all run, every process below it."""
    started = []

    def start(before="", wait=True, **commands):
        code = SUPERVISE.format(commands=json.dumps(commands), directory=str(tmp_path), before=before)
        supervisor = subprocess.Popen([sys.executable, "-c", code], cwd=PROJECT, stdout=subprocess.PIPE, text=True)
        started.append(supervisor)
        sleepers = sum("sleep" in command for command in commands.values()) if wait else 0
        below = psutil.Process(supervisor.pid)
        until(lambda: sum(p.name() == "sleep" for p in running(below.children(recursive=True))) >= sleepers)
        return supervisor, below.children(recursive=True)

    yield start
    for supervisor in started:
        supervisor.kill()
        supervisor.wait()
        supervisor.stdout.close()


def until(condition, seconds=15.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def running(processes):
    alive = []
    for process in processes:
        try:
            if process.status() != psutil.STATUS_ZOMBIE:
                alive.append(process)
        except psutil.NoSuchProcess:
            pass
    return alive


def shell(processes):
    return next(process for process in processes if process.name() == "sh")


def test_a_killed_child_is_noticed_though_its_own_child_keeps_the_pipe_open(supervise):
    supervisor, below = supervise(lives=SLEEP, dies=SLEEP_IN_A_CHILD)
    shell(below).kill()
    assert supervisor.communicate(timeout=15)[0].splitlines()[-1] == "failed: dies code: -9"
    assert running(below) == []


def test_a_child_that_ends_well_is_a_failure_too(supervise):
    supervisor, below = supervise(lives=SLEEP, ends="sh -c 'trap \"exit 0\" USR1; sleep 600 & wait'")
    shell(below).send_signal(signal.SIGUSR1)
    assert supervisor.communicate(timeout=15)[0].splitlines()[-1] == "failed: ends code: 0"
    assert running(below) == []


def test_an_end_that_was_asked_for_is_no_failure(supervise):
    supervisor, _ = supervise(lives=SLEEP)
    supervisor.send_signal(signal.SIGTERM)
    assert supervisor.communicate(timeout=15)[0].splitlines()[-1] == "failed: None code: 143"


def test_somebody_elses_end_is_told_by_its_name(supervise):
    fail = "import signal; signal.signal(signal.SIGUSR1, lambda *_: supervisor.fail('valkey'))"
    supervisor, below = supervise(before=fail, lives=SLEEP)
    supervisor.send_signal(signal.SIGUSR1)
    assert supervisor.communicate(timeout=15)[0].splitlines()[-1].startswith("failed: valkey ")
    assert running(below) == []


def test_a_signal_before_the_children_are_known_ends_them(supervise):
    early = "start = supervisor._start; supervisor._start = lambda: (start(), signal.raise_signal(signal.SIGINT))"
    sleep = f"sleep 600{os.getpid()}"
    supervisor, _ = supervise(before=f"import signal; {early}", wait=False, one=sleep, two=sleep)
    assert supervisor.communicate(timeout=15)[0].splitlines()[-1] == "failed: None code: 130"
    assert [process for process in psutil.process_iter(["cmdline"]) if process.info["cmdline"] == sleep.split()] == []


def test_sigterm_is_for_the_leader_who_knows_what_its_children_do(supervise, tmp_path):
    code = (
        "import pathlib, signal, subprocess, sys\n"
        "def end(*_):\n"
        "    pathlib.Path('child').write_text(str(child.poll()))\n"
        "    sys.exit()\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "child = subprocess.Popen(['sleep', '600'])\n"
        "signal.pause()\n"
    )
    (tmp_path / "leader.py").write_text(code)
    supervisor, below = supervise(leader=f"{sys.executable} leader.py sleep")
    supervisor.send_signal(signal.SIGTERM)
    supervisor.communicate(timeout=15)
    assert (tmp_path / "child").read_text() == "None"
    assert running(below) == []


def test_output_that_nobody_reads_ends_everything(supervise):
    supervisor, below = supervise(talks=r"sh -c 'while true; do echo talk; sleep 0.1; done'")
    supervisor.stdout.close()
    assert supervisor.wait(15) != 0
    until(lambda: running(below) == [])


@on_linux
@pytest.mark.parametrize("command", [SLEEP_IN_A_CHILD, DEAF], ids=["with a child", "deaf to SIGTERM"])
def test_no_grandchild_outlives_a_killed_supervisor(supervise, command):
    supervisor, below = supervise(one=command)
    supervisor.kill()
    until(lambda: running(below) == [])


def test_the_image_runs_the_lines_of_the_procfile(tmp_path):
    """`docker/run NAME` becomes that process, with the variables of its environment; anything else is a command."""
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "$@"\n')
    python.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "HOST": "0.0.0.0", "PORT": "81", "WEB_WORKERS": "3"}  # noqa: S104
    procfile = dict(line.split(": ", 1) for line in (PROJECT / "Procfile").read_text().splitlines())
    for name, line in procfile.items():
        said = subprocess.run(
            ["sh", "docker/run", name],  # noqa: S607
            cwd=PROJECT,
            env={**environment, "DATA_DIR": "/data"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        filled_in = re.sub(r"\$(\w+)", lambda found: {**environment, "DATA_DIR": "/data"}[found[1]], line)
        assert said == filled_in.removeprefix("python ") + "\n"
    other = subprocess.run(
        ["sh", "docker/run", "python", "manage.py", "migrate"],  # noqa: S607
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert other.stdout == "manage.py migrate\n"
