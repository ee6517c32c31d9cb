from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from cachecore import keys, versions
from cachecore.redis_client.connections import RedisUnavailable
from cachecore.service import cache
from cachecore.storage.clearing import clear_family, has_values, raise_namespace_version


class Command(BaseCommand):
    help = (
        "Clear cached answers: by tag (a higher version, at once and for every process) or by family (the keys are "
        "deleted). Never flushes a server; sessions, locks and the live view stay."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--tag", action="append", default=[], help="A namespace, or any tag of cached values.")
        parser.add_argument("--family", action="append", default=[], choices=sorted(_clearable()))
        parser.add_argument("--all", action="store_true", help="Every family of the cache role.")
        parser.add_argument("--dry-run", action="store_true", help="Say what would be cleared.")

    def handle(self, *args: Any, **options: Any) -> None:
        families = sorted(_clearable()) if options["all"] else options["family"]
        if not families and not options["tag"]:
            raise CommandError("Say what to clear: --tag, --family or --all.")
        try:
            self._refuse_unknown(options["tag"])
            self._bump(options["tag"], options["dry_run"])
            self._clear(families, options["dry_run"])
        except RedisUnavailable as error:
            raise CommandError(str(error)) from error

    def _refuse_unknown(self, tags: list[str]) -> None:
        """Before anything is cleared: a typo would seem to have worked."""
        unknown = [tag for tag in tags if tag not in versions.namespaces and not has_values(tag)]
        if unknown:
            raise CommandError(f"Nothing hangs on {', '.join(unknown)}.")

    def _bump(self, tags: list[str], dry_run: bool) -> None:
        for tag in tags:
            outcome = "would get a new version" if dry_run else _raised(tag)
            self.stdout.write(f"Tag {tag} {outcome}.")

    def _clear(self, families: list[str], dry_run: bool) -> None:
        verb = "Would clear" if dry_run else "Cleared"
        cleared = {name: clear_family(keys.registry[name], dry_run=dry_run) for name in families}
        for name, count in cleared.items():
            self.stdout.write(f"{verb} {count} keys of {name}.")


def _raised(tag: str) -> str:
    if tag in versions.namespaces:
        return f"is at version {raise_namespace_version(tag)}"
    cache.invalidate_tag(tag)
    return "has a new version"


def _clearable() -> list[str]:
    return [family.name for family in keys.registry.values() if family.role == "cache"]
