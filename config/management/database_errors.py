"""What `manage.py` prints of a database that cannot be used."""

from django.db import Error, InterfaceError, OperationalError, connection

from config.sqlite import MissingDatabase

# https://www.postgresql.org/docs/current/errcodes-appendix.html: undefined_table, undefined_column
POSTGRESQL_CODES = ("42P01", "42703")
SQLITE_MESSAGES = ("no such table: ", "no such column: ")


def describe(error: Error) -> str | None:
    """Return one line for an operator: what fails, or what to do. None: the error is a fault of the program."""
    if _lacks_schema(error):
        return (
            f"The database {_name()} lacks tables of this release: run `manage.py migrate`, "
            "or set DATA_DIR or DATABASE_URL to the database that is meant."
        )
    if isinstance(error, OperationalError | InterfaceError):
        return f"The database fails: {' '.join(str(error).split())}"
    return None


def _lacks_schema(error: Error) -> bool:
    """Return True if a migration is missing, or all of them are."""
    return (
        isinstance(error.__cause__, MissingDatabase)
        or getattr(error.__cause__, "pgcode", None) in POSTGRESQL_CODES
        or str(error).startswith(SQLITE_MESSAGES)
    )


def _name() -> str:
    settings = connection.settings_dict
    if not settings["HOST"]:
        return str(settings["NAME"])
    return f"{settings['NAME']} on {settings['HOST']}"
