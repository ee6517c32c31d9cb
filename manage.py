#!/usr/bin/env python
"""Django's command line. `python manage.py help` lists all commands, including those of the project."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")
    try:
        run(sys.argv)
    except KeyboardInterrupt:
        # Shells use exit status 130 for Ctrl-C. For the stack it is not a failure, and make would print an error.
        sys.exit(0 if sys.argv[1:2] == ["stack"] else 130)


def run(arguments: list[str]) -> None:
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
    from django.db import Error

    try:
        execute_from_command_line(arguments)
    except ImproperlyConfigured as error:
        sys.exit(f"Invalid settings: {error}")
    except Error as error:
        from config.management.database_errors import describe

        line = describe(error)
        if line is None or "--traceback" in arguments:
            raise
        sys.exit(line)


if __name__ == "__main__":
    main()
