"""No server of a test run outlives it, however the run ends."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.processes import PROJECT, running, wait_until

# One test per process. It shows by a file that the servers have started, and waits for the end of the run.
WAITING_TESTS = """
import os
import signal
from pathlib import Path

import pytest


@pytest.mark.parametrize("number", range(2))
def test_that_waits(number):
    (Path(__file__).parent / f"{os.getpid()}.waits").touch()
    signal.pause()
"""


class PytestRun:
    """A pytest process, the tests of which wait for its end. All folders of its servers are below `temporary`."""

    def __init__(self, folder: Path, temporary: Path, workers: int) -> None:
        self.temporary = temporary
        self._folder = folder
        self._workers = workers
        tests = folder / "test_waiting.py"
        tests.write_text(WAITING_TESTS)
        options = ["-c", "pyproject.toml", "--rootdir", str(folder), "-p", "no:cacheprovider", "-n", str(workers)]
        outer = ("DATABASE_URL", "REDIS_URL", "DATA_DIR", "TEST_DATABASE", "TEST_RUN_FOLDER")
        inherited = {name: value for name, value in os.environ.items() if name not in outer and "PYTEST" not in name}
        with (folder / "output").open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pytest", *options, str(tests)],
                cwd=PROJECT,
                env=inherited | {"TMPDIR": str(temporary)},
                stdout=output,
                stderr=output,
            )

    def wait_for_tests(self) -> None:
        """Wait until a test runs in every process."""
        wait_until(lambda: len(list(self._folder.glob("*.waits"))) == max(1, self._workers), 60)

    def processes(self) -> set[psutil.Process]:
        """Return the servers and the workers, but not the first process itself."""
        return {*self.servers(), *psutil.Process(self.process.pid).children(recursive=True)}

    def servers(self) -> list[psutil.Process]:
        """Return the servers, which are found by their folders, whichever process started them."""
        found = psutil.process_iter(["cmdline"])
        return [one for one in found if str(self.temporary) in " ".join(one.info["cmdline"] or ())]

    def output(self) -> str:
        return (self._folder / "output").read_text()


@pytest.fixture
def start(tmp_path) -> Iterator:
    runs = []
    temporary = Path(tempfile.mkdtemp(prefix="run-"))  # not in tmp_path, which PostgreSQL's own user cannot enter
    temporary.chmod(0o755)

    def start(workers: int) -> PytestRun:
        runs.append(PytestRun(tmp_path, temporary, workers))
        return runs[-1]

    yield start
    for run in runs:
        run.process.kill()
        run.process.wait()
    shutil.rmtree(temporary, ignore_errors=True)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_terminated_run_leaves_no_process_and_no_folder(start, workers):
    run = start(workers)
    run.wait_for_tests()
    processes = run.processes()
    assert len(run.servers()) == 2 + workers  # PostgreSQL, and a Valkey for each pytest process
    run.process.terminate()
    assert run.process.wait(60) == pytest.ExitCode.INTERRUPTED, run.output()
    wait_until(lambda: not running(processes))
    assert [path.name for path in run.temporary.iterdir() if path.name.startswith("crash-monitor")] == []


def test_a_killed_run_leaves_no_process(start):
    run = start(2)
    run.wait_for_tests()
    processes = run.processes()
    run.process.kill()
    wait_until(lambda: not running(processes))


def test_a_run_terminated_while_its_servers_start_leaves_no_process(start):
    run = start(0)
    wait_until(run.servers)  # the first one
    run.process.terminate()
    assert run.process.wait(60) == pytest.ExitCode.USAGE_ERROR
    assert run.output() == "ERROR: The test servers did not start: terminated by SIGTERM\n\n"
    wait_until(lambda: not run.servers())
