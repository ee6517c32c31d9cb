"""Keys that a local installation creates for itself: one file per purpose under DATA_DIR."""

import os
from pathlib import Path
from tempfile import NamedTemporaryFile

from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

SEED_KEYS_FILE = "play-seed-keys"


def local_keys(path: Path) -> list[str]:
    """Return the Fernet keys of a file, one a line, or none if there is no such file.

    Reading settings creates no file: a command whose settings are wrong must leave nothing behind. Raises
    ImproperlyConfigured if the file cannot be read.
    """
    try:
        return path.read_text().split()
    except (FileNotFoundError, NotADirectoryError):  # a DATA_DIR that cannot be is reported by whoever creates it
        return []
    except OSError as error:
        raise ImproperlyConfigured(f"{path} cannot be read ({error.strerror}).") from error


def create_local_keys(path: Path) -> None:
    """Create the file with one new key, for its owner only, unless it exists. Raises OSError.

    A complete file is linked to its name, so processes that start at the same time use the same key.
    """
    if path.exists():
        return
    with NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}-") as file:  # created with mode 0600
        file.write(f"{Fernet.generate_key().decode()}\n")
        file.flush()
        try:
            os.link(file.name, path)
        except FileExistsError:
            return
