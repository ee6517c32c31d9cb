#!/usr/bin/env python
"""Django's command line: `python manage.py help` lists every command, ours included."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
    from django.db import InterfaceError, OperationalError

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"Wrong settings: {error}")
    except (OperationalError, InterfaceError) as error:
        if "--traceback" in sys.argv:
            raise
        sys.exit(f"The database fails: {' '.join(str(error).split())}")
    except KeyboardInterrupt:
        sys.exit(130)  # what a shell calls ended by Ctrl-C


if __name__ == "__main__":
    main()
