"""Find the browser of these tests: the one that CHROMIUM names, else the system's, else Playwright's own.

`python -m tests.browser.chromium` (`make test-browser`) lets Playwright download its own if there is none. If that
fails, it prints in one line what to install.
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
    """Return what the tests need and lack, in one line, or None."""
    if find_spec("playwright") is None or find_spec("axe_playwright_python") is None:
        return "playwright and axe-playwright-python are not installed: pip install -r requirements/test.txt"
    return MISSING if path() is None else None


def path() -> str | None:
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, PROGRAMS)), None) or _playwrights()


def _playwrights() -> str | None:
    """Run in a process of its own, because Playwright's event loop would stay in this one."""
    result = subprocess.run([sys.executable, "-c", PLAYWRIGHTS], capture_output=True, text=True, check=False)
    found = result.stdout.strip()
    return found if result.returncode == 0 and Path(found).is_file() else None


def main() -> None:
    if missing() == MISSING:
        print("No Chromium found; Playwright downloads its own:", flush=True)  # noqa: T201
        fetch = [sys.executable, "-m", "playwright", "install", "chromium"]
        subprocess.run(fetch, check=False, stderr=subprocess.DEVNULL)  # the line below says what to install
    if problem := missing():
        sys.exit(problem)


if __name__ == "__main__":
    main()
