"""`python -m config.stack`: what `manage.py stack` becomes once the settings are known to be valid.

HOST, PORT and DATA_DIR come from the environment.
"""

import os
import sys
from pathlib import Path

from config.stack.stack import Stack, StackError

PROJECT = Path(__file__).resolve().parent.parent.parent


def main() -> None:
    environment = dict(os.environ)
    stack = Stack(PROJECT, Path(environment["DATA_DIR"]), environment["HOST"], int(environment["PORT"]), environment)
    try:
        stack.run()
    except StackError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(0)  # Ctrl-C is how the stack is ended: no failure, and nothing for make to complain about


if __name__ == "__main__":
    main()
