"""Django's flush between transactional tests, which the triggers on transfers refuse.

In the test database alone the triggers are dropped for the flush and restored after it, with the agent `house`, which
a migration made.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

from django.apps import apps
from django.db import connection

DEFINITIONS = {
    "postgresql": "SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger"
    " WHERE tgrelid = 'play_transfer'::regclass AND NOT tgisinternal",
    "sqlite": "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'play_transfer'",
}
DROP = {"postgresql": "DROP TRIGGER {} ON play_transfer", "sqlite": "DROP TRIGGER {}"}

create_house = import_module("games.play.migrations.0002_house").create_house


def allow_flush() -> None:
    """Let this connection flush the test database from now on."""
    flush = connection.ops.execute_sql_flush

    def execute_sql_flush(statements: list[str]) -> None:
        with _without_triggers():
            flush(statements)
        create_house(apps, None)

    connection.ops.execute_sql_flush = execute_sql_flush


@contextmanager
def _without_triggers() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute(DEFINITIONS[connection.vendor])
        triggers = cursor.fetchall()
        for name, _ in triggers:
            cursor.execute(DROP[connection.vendor].format(name))
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            for _, definition in triggers:
                cursor.execute(definition)
