"""Keys that a local installation makes of its own: one file per purpose under DATA_DIR."""

import os
from pathlib import Path
from tempfile import NamedTemporaryFile

from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured


def local_keys(path: Path) -> list[str]:
    """Return the Fernet keys of a file, one a line. Create the file with one new key, for its owner only, if missing.

    Raises ImproperlyConfigured if it cannot be read or created.
    """
    try:
        if not path.exists():
            _create(path)
        return path.read_text().split()
    except OSError as error:
        raise ImproperlyConfigured(f"{path} cannot be read or created ({error.strerror}).") from error


def _create(path: Path) -> None:
    """Link a complete file to its name. Of several processes that begin at once, the first one's keys count."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}-") as file:  # created with mode 0600
        file.write(f"{Fernet.generate_key().decode()}\n")
        file.flush()
        try:
            os.link(file.name, path)
        except FileExistsError:
            return
