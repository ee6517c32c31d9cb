from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from cachecore.maintenance import documentation

PAGES: dict[str, Callable[[], str]] = {"keys.md": documentation.keys_page, "api-caching.md": documentation.api_page}


class Command(BaseCommand):
    help = "Generate docs/keys.md and docs/api-caching.md from the key families and the views' cache policies."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="Write nothing; fail if a page is out of date.")

    def handle(self, *args: Any, **options: Any) -> None:
        directory = documentation.project_directory() / "docs"
        pages = {directory / name: page() for name, page in PAGES.items()}
        outdated = [path for path, text in pages.items() if not path.exists() or path.read_text() != text]
        if not options["check"]:
            directory.mkdir(exist_ok=True)
            for path in outdated:
                path.write_text(pages[path])
            self.stdout.write(f"Wrote {_names(outdated)}." if outdated else "The pages are up to date.")
        elif outdated:
            raise CommandError(f"Out of date: {_names(outdated)}. Run `make docs`.")


def _names(paths: list[Path]) -> str:
    return ", ".join(f"docs/{path.name}" for path in paths)
