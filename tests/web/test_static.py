"""What a browser loads in production: few bytes, compressed, in files named by their content."""

import gzip
import re
from pathlib import Path

import pytest
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.management import call_command
from django.utils import timezone

from games.services import record_games
from tests import chains
from tests.web.html import page

pytestmark = pytest.mark.django_db

MAX_BYTES = 300_000
IMPORT = re.compile(r'from "\./([\w.]+\.js)"')


@pytest.fixture
def collected(settings, tmp_path) -> Path:
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = settings.STORAGES | {"staticfiles": {"BACKEND": "web.staticfiles.StaticFiles"}}
    staticfiles_storage._setup()
    call_command(
        "collectstatic", interactive=False, verbosity=0, ignore=["admin", "drf_spectacular_sidecar", "rest_framework"]
    )
    yield tmp_path
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    }
    staticfiles_storage._setup()


def loaded(client, root: Path) -> list[Path]:
    """Return the files that the first view loads: those that the page links and those that its modules import."""
    found = page(client.get("/"))
    names = [tag["src"] for tag in found.all("script")] + [tag["href"] for tag in found.all("link")]
    files = [root / name.removeprefix("/static/") for name in names]
    for file in files:
        if file.suffix == ".js":
            files += [new for name in IMPORT.findall(file.read_text()) if (new := file.parent / name) not in files]
    return files


def test_the_first_view_is_small(client, collected):
    record_games(chains.timed(chains.bcgame_rounds(2000), timezone.now()), source="test")
    html = client.get("/", headers={"Accept-Encoding": "gzip"})
    assert html["Content-Encoding"] == "gzip"
    files = loaded(client, collected)
    assert len(files) > 10
    sizes = [min(map(_size, (file, file.with_name(file.name + ".gz")))) for file in files]
    assert len(html.content) + sum(sizes) < MAX_BYTES, sizes
    assert len(gzip.decompress(html.content)) > 100_000  # the page was full


def test_every_file_is_named_by_its_content(client, collected):
    assert all(re.search(r"\.[0-9a-f]{12}\.", file.name) for file in loaded(client, collected))


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else MAX_BYTES
