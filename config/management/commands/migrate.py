from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import connections

from config.sqlite import is_file


class Command(migrate.Command):
    """Django's own, and the only command that makes a SQLite database where there is none (config/sqlite.py)."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        settings = connections[options["database"]].settings_dict
        if settings["ENGINE"].endswith("sqlite3") and is_file(str(settings["NAME"])):
            _create(Path(settings["NAME"]))
        return super().execute(*args, **options)


def _create(database: Path) -> None:
    """Create an empty file, which is an empty SQLite database, and its folder."""
    try:
        database.parent.mkdir(parents=True, exist_ok=True)
        database.touch()
    except OSError as error:
        raise CommandError(f"DATA_DIR: {database} cannot be created ({error.strerror}).") from error
