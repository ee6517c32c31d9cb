"""The command line as an operator sees it: an error is one line, and Ctrl-C ends a command silently."""

from contextlib import closing

import pytest
from django.db import connection
from django.db.utils import ConnectionHandler

from tests.processes import run_manage, run_manage_alone

NO_DATABASE = {"DATABASE_URL": "postgres://nobody@127.0.0.1:1/nothing"}
INTERRUPTED = "import os, signal; os.kill(os.getpid(), signal.SIGINT)"
WHAT_TO_DO = "run `manage.py migrate`, or set DATA_DIR or DATABASE_URL to the database that is meant."


@pytest.mark.parametrize("command", ["find_gaps", "rebuild_aggregates", "create_ingest_token feeder", "migrate"])
def test_a_database_that_cannot_be_reached_is_one_line(command):
    result = run_manage(*command.split(), **NO_DATABASE)
    assert (result.returncode, result.stderr.count("\n")) == (1, 1), result.stderr
    assert result.stderr.startswith('The database fails: connection to server at "127.0.0.1", port 1 failed')


def test_the_traceback_option_shows_where_it_failed():
    result = run_manage("find_gaps", "--traceback", **NO_DATABASE)
    assert (result.returncode, result.stderr.splitlines()[0]) == (1, "Traceback (most recent call last):")


@pytest.mark.parametrize("command", ["find_gaps", "createsuperuser", "create_ingest_token feeder", "verify_games"])
def test_a_missing_database_is_one_line_and_none_is_created(tmp_path, command):
    data = tmp_path / "mistyped"
    result = run_manage_alone(*command.split(), DATA_DIR=str(data))
    expected = f"The database {data}/crash.sqlite3 lacks tables of this release: {WHAT_TO_DO}\n"
    assert (result.returncode, result.stdout, result.stderr) == (1, "", expected)
    assert not data.exists()


def test_an_empty_sqlite_database_is_the_same_line(tmp_path):
    (tmp_path / "crash.sqlite3").touch()
    result = run_manage_alone("find_gaps", DATA_DIR=str(tmp_path))
    expected = f"The database {tmp_path}/crash.sqlite3 lacks tables of this release: {WHAT_TO_DO}\n"
    assert (result.returncode, result.stderr) == (1, expected)


@pytest.fixture
def empty_postgresql():
    """Create a database without tables on the run's own server. Return its host and its DATABASE_URL."""
    settings = connection.settings_dict
    if connection.vendor != "postgresql":
        pytest.skip("PostgreSQL only")
    with closing(ConnectionHandler({"default": {**settings, "NAME": "postgres"}})["default"]) as server:
        with server.cursor() as cursor:
            cursor.execute("CREATE DATABASE without_tables")
        yield settings["HOST"], f"postgres://postgres@:{settings['PORT'] or 5432}/{settings['HOST']}/without_tables"
        with server.cursor() as cursor:
            cursor.execute("DROP DATABASE without_tables")


@pytest.mark.django_db
def test_an_empty_postgresql_database_is_the_same_line(empty_postgresql):
    host, url = empty_postgresql
    result = run_manage("find_gaps", DJANGO_SETTINGS_MODULE="config.settings.local", DATABASE_URL=url)
    expected = f"The database without_tables on {host} lacks tables of this release: {WHAT_TO_DO}\n"
    assert (result.returncode, result.stderr) == (1, expected)


def test_migrate_creates_the_database_and_its_folder(tmp_path):
    data = tmp_path / "new"
    result = run_manage_alone("migrate", "--verbosity", "0", DATA_DIR=str(data))
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert run_manage_alone("find_gaps", DATA_DIR=str(data)).returncode == 0


def test_a_folder_that_cannot_be_created_is_one_line(tmp_path):
    file = tmp_path / "file"
    file.touch()
    result = run_manage_alone("migrate", DATA_DIR=str(file))
    expected = f"CommandError: DATA_DIR: {file}/crash.sqlite3 cannot be created (File exists).\n"
    assert (result.returncode, result.stderr) == (1, expected)


def test_ctrl_c_ends_a_command_silently():
    result = run_manage("shell", "--no-imports", "-c", INTERRUPTED)
    assert (result.returncode, result.stdout, result.stderr) == (130, "", "")
