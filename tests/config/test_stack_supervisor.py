"""Services that end are restarted, and all of them end with the supervisor, in whichever way that ends."""

import json
import re
import signal
import subprocess
import sys

import psutil
import pytest

from config.stack.supervisor import Backoff
from tests.processes import PROJECT, running, scaled, wait_until

SUPERVISE = """
import json, sys
from pathlib import Path
from config.stack import supervisor
supervisor.KILL_SECONDS = 0.5
supervisor.FIRST_RESTART_SECONDS = 0.01
services = [
    supervisor.Command(name, arguments, {{"PATH": "/usr/bin:/bin"}}, Path({directory!r}))
    for name, arguments in json.loads({commands!r}).items()
]
one = supervisor.Supervisor(services)
{before}
one.run()
print("failed:", one.failed)
"""
SLEEP = ["sleep", "600"]
SLEEP_IN_A_CHILD = ["sh", "-c", "sleep 600; true"]
DEAF = ["sh", "-c", "trap : TERM; while true; do sleep 600; done"]
STOPS_ITSELF = ["sh", "-c", "sleep 600 & kill -STOP $$"]


class Supervised:
    """A supervisor in a process of its own, and what it prints."""

    def __init__(self, code: str) -> None:
        self.process = subprocess.Popen([sys.executable, "-c", code], cwd=PROJECT, stdout=subprocess.PIPE, text=True)
        self._itself = psutil.Process(self.process.pid)

    def below(self, name: str | None = None) -> list[psutil.Process]:
        """Every process that it has started, directly or not, but for its guard."""
        found = self._children()
        return [one for one in found if not is_guard(one) and (name is None or one.name() == name)]

    def guard(self) -> psutil.Process | None:
        """Return the guard, or None while there is none."""
        return next((one for one in running(self._children()) if is_guard(one)), None)

    def lines(self) -> list[str]:
        """Wait for its end. Return what it printed, without times and process ids."""
        out = self.process.communicate(timeout=scaled(15))[0]
        untimed = re.sub(r"^\d\d:\d\d:\d\d (\w+) +\| ", r"\1: ", out, flags=re.MULTILINE)
        return re.sub(r" \(pid \d+\)", "", untimed).splitlines()

    def _children(self) -> list[psutil.Process]:
        try:
            return self._itself.children(recursive=True)
        except psutil.NoSuchProcess:
            return []


@pytest.fixture
def supervise(tmp_path):
    """Start a supervisor of these commands. Return it once every `sleep` among them runs."""
    started = []

    def start(before="", wait=True, **commands):
        code = SUPERVISE.format(commands=json.dumps(commands), directory=str(tmp_path), before=before)
        started.append(supervised := Supervised(code))
        sleepers = sum("sleep" in " ".join(command) for command in commands.values()) if wait else 0
        wait_until(lambda: len(running(supervised.below("sleep"))) >= sleepers)
        return supervised

    yield start
    for supervised in started:
        supervised.process.kill()
        supervised.process.wait()
        supervised.process.stdout.close()


def is_guard(process):
    return "guard.sh" in "".join(command_line(process))


def command_line(process):
    try:
        return process.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return []


# Restarts ------------------------------------------------------------------------------------------------------


def test_each_failure_within_a_minute_doubles_the_delay_and_the_fifth_is_the_last():
    backoff = Backoff()
    assert [backoff.seconds_after_failure(now) for now in (0, 1, 3, 7, 15)] == [0.5, 1.0, 2.0, 4.0, None]


def test_a_failure_counts_for_a_minute():
    backoff = Backoff()
    assert [backoff.seconds_after_failure(now) for now in (0, 59, 60, 200)] == [0.5, 1.0, 1.0, 0.5]


def test_a_killed_child_is_restarted_and_the_others_go_on(supervise):
    supervised = supervise(dies=SLEEP, lives=["sleep", "601"])
    dies, lives = sorted(supervised.below("sleep"), key=command_line)
    dies.kill()
    wait_until(lambda: len(running(supervised.below("sleep"))) == 2 and not running([dies]))
    assert running([lives]) == [lives]
    supervised.process.send_signal(signal.SIGTERM)
    assert supervised.lines() == [
        "stack: dies started",
        "stack: lives started",
        "stack: dies was ended by SIGKILL; restarting in 0.01 s",
        "stack: dies started",
        "failed: None",
    ]


def test_a_restart_is_noticed_though_a_grandchild_keeps_the_pipe_open(supervise):
    supervised = supervise(dies=SLEEP_IN_A_CHILD)
    (shell,), (grandchild,) = supervised.below("sh"), supervised.below("sleep")
    shell.kill()
    wait_until(lambda: [one for one in running(supervised.below("sleep")) if one != grandchild])
    assert running([shell, grandchild]) == []


def test_five_failures_end_everything_and_say_which_service_it_was(supervise):
    supervised = supervise(lives=SLEEP, fails=["sh", "-c", "echo why; exit 3"])
    lines = supervised.lines()
    assert running(supervised.below()) == []
    assert [line for line in lines if "stack: fails" in line and "exit code" in line] == [
        "stack: fails ended with exit code 3; restarting in 0.01 s",
        "stack: fails ended with exit code 3; restarting in 0.02 s",
        "stack: fails ended with exit code 3; restarting in 0.04 s",
        "stack: fails ended with exit code 3; restarting in 0.08 s",
        "stack: fails ended with exit code 3; not restarted after 5 failures within a minute",
    ]
    assert lines.count("fails: why") == 5
    assert lines[-1] == "failed: fails"


def test_a_service_that_ends_well_unasked_has_failed_too(supervise):
    lines = supervise(ends=["true"]).lines()
    assert "stack: ends ended with exit code 0; restarting in 0.01 s" in lines
    assert lines[-1] == "failed: ends"


def test_a_program_that_is_not_there_is_one_line_for_each_try(supervise):
    lines = supervise(missing=["no-such-program"]).lines()
    assert lines[0] == "stack: missing cannot be started (No such file or directory); restarting in 0.01 s"
    assert (len(lines), lines[-1]) == (6, "failed: missing")


ADOPT = """
class Adopted:
    name = "adopted"
    def spawn(self):
        return supervisor.subprocess.Popen(["sleep", "602"], start_new_session=True)
adopted = Adopted()
process = adopted.spawn()
one.adopt(adopted, process)
"""


def test_an_adopted_service_is_restarted_but_left_to_its_owner_at_the_end(supervise):
    supervised = supervise(before=ADOPT, lives=SLEEP)
    wait_until(lambda: len(supervised.below("sleep")) == 2)
    first = max(supervised.below("sleep"), key=command_line)
    first.kill()
    wait_until(lambda: len(running(supervised.below("sleep"))) == 2 and not running([first]))
    second = max(running(supervised.below("sleep")), key=command_line)
    supervised.process.send_signal(signal.SIGTERM)
    try:
        assert supervised.process.wait(15) == 0
        assert running([second]) == [second]
    finally:
        second.kill()


# The end -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_every_service_in_order_or_by_force(supervise, number):
    supervised = supervise(one=SLEEP, two=DEAF, three=STOPS_ITSELF)
    below = supervised.below()
    supervised.process.send_signal(number)
    lines = supervised.lines()
    assert (supervised.process.returncode, lines[-1]) == (0, "failed: None")
    assert "stack: two did not end within 0.5 s and is killed" in lines
    assert running(below) == []


def test_a_signal_before_the_services_are_started_ends_them(supervise):
    early = "start = one._start_all; one._start_all = lambda: (start(), signal.raise_signal(signal.SIGINT))"
    supervised = supervise(before=f"import signal; {early}", wait=False, one=SLEEP, two=SLEEP)
    assert supervised.lines()[-1] == "failed: None"
    assert supervised.process.returncode == 0


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
    supervised = supervise(leader=[sys.executable, "leader.py", "sleep"])
    below = supervised.below()
    supervised.process.send_signal(signal.SIGTERM)
    supervised.lines()
    assert (tmp_path / "child").read_text() == "None"
    assert running(below) == []


def test_the_last_lines_of_a_service_are_printed(supervise):
    supervised = supervise(talks=["sh", "-c", "trap 'echo farewell; exit' TERM; sleep 600 & wait"])
    supervised.process.send_signal(signal.SIGTERM)
    assert "talks: farewell" in supervised.lines()


def test_output_that_nobody_reads_ends_everything(supervise):
    supervised = supervise(talks=["sh", "-c", "while true; do echo talk; sleep 0.1; done"])
    below = supervised.below()
    supervised.process.stdout.close()
    assert supervised.process.wait(15) == 0
    wait_until(lambda: running(below) == [])


@pytest.mark.parametrize("command", [SLEEP, SLEEP_IN_A_CHILD, DEAF], ids=["alone", "with a child", "deaf to SIGTERM"])
def test_no_process_outlives_a_killed_supervisor(supervise, command):
    supervised = supervise(one=command)
    below, guard = supervised.below(), supervised.guard()
    supervised.process.kill()
    wait_until(lambda: running([*below, guard]) == [])


def test_a_killed_guard_is_replaced(supervise):
    supervised = supervise(one=SLEEP)
    below, guard = supervised.below(), supervised.guard()
    guard.kill()
    wait_until(lambda: not running([guard]) and supervised.guard())
    supervised.process.kill()
    wait_until(lambda: running(below) == [])
