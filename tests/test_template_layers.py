"""Templates obey the layers of pyproject.toml, which the import contracts cannot see."""

import re
from collections.abc import Iterator
from pathlib import Path

from django.apps import apps
from django.template.engine import Engine

LAYERS = ("cachecore", "games", "analytics", "web", "config")  # lowest first
# Django's own contract with every admin page; `web` overrides it.
ALLOWED = {"admin/base_site.html"}
TEMPLATE = re.compile(r'{%-?\s*(?:extends|include)\s+"([^"]+)"')
LIBRARIES = re.compile(r"{%-?\s*load\s+([\w .]+?)\s*-?%}")


def test_no_template_uses_a_template_or_tag_library_of_a_higher_app() -> None:
    homes = {name: layer for layer in LAYERS for name in _templates(layer)}
    upward = [
        f"{layer}: {name} uses {used}"
        for layer in LAYERS
        for name, path in _templates(layer).items()
        for used in _used(path.read_text(), homes)
        if LAYERS.index(used.partition(" ")[0]) > LAYERS.index(layer)
    ]
    assert not upward
    assert {"site/base.html", "dashboard/page.html", "cachecore/overview.html"} <= homes.keys()


def _templates(layer: str) -> dict[str, Path]:
    root = Path(apps.get_app_config(layer).path) / "templates"
    return {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file()}


def _used(text: str, homes: dict[str, str]) -> Iterator[str]:
    """Yield "<layer> <name>" for each template and tag library of ours that a template uses."""
    libraries = Engine.get_default().libraries
    for name in TEMPLATE.findall(text):
        if name in homes and name not in ALLOWED:
            yield f"{homes[name]} {name}"
    for loaded in LIBRARIES.findall(text):
        for name in loaded.partition(" from ")[2].split() or loaded.split():
            layer = libraries.get(name, "").partition(".")[0]
            if layer in LAYERS:
                yield f"{layer} {name}"
