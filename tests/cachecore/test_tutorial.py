"""Run the tutorial of docs/cachecore.md in a new project."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import cachecore
from config.env import BASE_DIR
from tests.processes import scaled

STORY = """
import asyncio
from django.contrib.auth.models import Group, User
from django.test import Client
from profiles.live import profiles
from profiles.selectors import profile

ann = User.objects.create_superuser("ann", password="x")
print(profile(ann.pk)["name"], profile(ann.pk)["joined"] == ann.date_joined)
ann.username = "anna"
ann.save()
print(profile(ann.pk)["name"], asyncio.run(profiles([ann.pk]))[0]["name"])
ann.groups.add(Group.objects.create(name="staff"))
browser = Client(SERVER_NAME="localhost")
browser.force_login(ann)
print(browser.get("/admin/cachecore/cache/").status_code)
print(profile(ann.pk + 1))
User.objects.create(pk=ann.pk + 1, username="ben")
print(profile(ann.pk + 1)["name"])
User.objects.filter(pk=ann.pk).delete()
print(profile(ann.pk))
profile(ann.pk + 1)
"""


def blocks() -> dict[str, str]:
    """Return the code blocks of the tutorial by file name."""
    page = (BASE_DIR / "docs/cachecore.md").read_text()
    found = re.findall(r"^```python\n# (\S+\.py)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return dict(found)


class Shop:
    def __init__(self, directory: Path, redis_url: str) -> None:
        self._directory = directory
        self._run("-m", "django", "startproject", "shop", ".")
        self._run("manage.py", "startapp", "profiles")
        (directory / "cachecore").symlink_to(Path(cachecore.__file__).parent)
        for name, text in blocks().items():
            with (directory / name).open("a" if name == "shop/settings.py" else "w") as file:
                file.write(text.replace("redis://localhost:6379/0", redis_url))

    def manage(self, *arguments: str, stdin: str = "") -> str:
        return self._run("manage.py", *arguments, stdin=stdin)

    def _run(self, *arguments: str, stdin: str = "") -> str:
        process = subprocess.run(
            [sys.executable, *arguments],
            cwd=self._directory,
            env={"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "300"},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=scaled(60),
        )
        assert process.returncode == 0, process.stdout + process.stderr
        return process.stdout


@pytest.fixture
def shop(tmp_path, valkey):
    yield Shop(tmp_path, valkey.url)
    shutil.rmtree(tmp_path, ignore_errors=True)


def test_every_step_of_the_tutorial_works(shop):
    assert list(blocks()) == [
        "shop/settings.py",
        "profiles/keys.py",
        "profiles/selectors.py",
        "profiles/models.py",
        "profiles/live.py",
    ]
    assert shop.manage("check") == "System check identified no issues (0 silenced).\n"
    shop.manage("migrate", "--verbosity", "0")
    output = shop.manage("shell", "--verbosity", "0", stdin=STORY).splitlines()
    assert output == ["ann True", "anna anna", "200", "NOT_FOUND", "ben", "NOT_FOUND"]
    assert re.search(r"│ profile +│", shop.manage("cache_stats"))
    assert shop.manage("clear_cache", "--tag", "user:2") == "Tag user:2 has a new version.\n"
    cleared = shop.manage("clear_cache", "--family", "profile")
    assert re.fullmatch(r"Cleared [12] keys of profile\.\n", cleared)  # NOT_FOUND is cached for five seconds
    assert "Wrote docs/keys.md" in shop.manage("document_keys")
    assert "Warmed 0 answers" in shop.manage("warm_cache")
