"""The browser of these tests: what CHROMIUM names, else the system's, else Playwright's own.

`python -m tests.browser.chromium` (`make test-browser`) has Playwright fetch its own where there is none, or says in
one line what to install.
"""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
PLAYWRIGHTS = "import playwright.sync_api as api\nwith api.sync_playwright() as it: print(it.chromium.executable_path)"
MISSING = "No Chromium: install one (Debian: apt-get install chromium) or name it in CHROMIUM."


def missing() -> str | None:
    """What the tests need and is not there, in one line."""
    if find_spec("playwright") is None or find_spec("axe_playwright_python") is None:
        return "playwright and axe-playwright-python are not installed: pip install -r requirements/test.txt"
    return MISSING if path() is None else None


def path() -> str | None:
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, PROGRAMS)), None) or _playwrights()


def _playwrights() -> str | None:
    """Asked in a process of its own: Playwright's event loop would stay in this one."""
    told = subprocess.run([sys.executable, "-c", PLAYWRIGHTS], capture_output=True, text=True, check=False)
    found = told.stdout.strip()
    return found if told.returncode == 0 and Path(found).is_file() else None


def main() -> None:
    if missing() == MISSING:
        print("No Chromium here; Playwright may fetch its own:", flush=True)  # noqa: T201
        fetch = [sys.executable, "-m", "playwright", "install", "chromium"]
        subprocess.run(fetch, check=False, stderr=subprocess.DEVNULL)  # why it failed is one line below
    if told := missing():
        sys.exit(told)


if __name__ == "__main__":
    main()
