"""The command line as an operator meets it: what is wrong is one line, and Ctrl-C ends without a word."""

import os
import subprocess
import sys

import pytest

from tests.config.test_settings import PROJECT

NO_DATABASE = {"DATABASE_URL": "postgres://nobody@127.0.0.1:1/nothing"}
INTERRUPTED = "import os, signal; os.kill(os.getpid(), signal.SIGINT)"


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=PROJECT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("words", ["find_gaps", "rebuild_aggregates", "create_ingest_token feeder", "migrate"])
def test_a_database_that_is_away_is_one_line(words):
    told = run(*words.split(), **NO_DATABASE)
    assert (told.returncode, told.stderr.count("\n")) == (1, 1), told.stderr
    assert told.stderr.startswith('The database fails: connection to server at "127.0.0.1", port 1 failed')


def test_where_it_failed_is_told_to_who_asks():
    told = run("find_gaps", "--traceback", **NO_DATABASE)
    assert (told.returncode, told.stderr.splitlines()[0]) == (1, "Traceback (most recent call last):")


def test_ctrl_c_ends_a_command_without_a_word():
    told = run("shell", "--no-imports", "-c", INTERRUPTED)
    assert (told.returncode, told.stdout, told.stderr) == (130, "", "")
