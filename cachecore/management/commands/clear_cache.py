from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from cachecore import keys, versions
from cachecore.redis_client.connections import RedisUnavailable
from cachecore.service import cache
from cachecore.storage.clearing import clear_family, has_values, raise_namespace_version


class Command(BaseCommand):
    help = (
        "Clear cached values by tag (a new version, in force at once in every process) or by family (the keys are "
        "deleted). No server is flushed: sessions, locks and the live view stay."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--tag", action="append", default=[], help="Namespace, or any tag of cached values; repeatable."
        )
        parser.add_argument(
            "--family", action="append", default=[], choices=sorted(_clearable()), help="Family to clear; repeatable."
        )
        parser.add_argument("--all", action="store_true", help="Clear every family of the cache role.")
        parser.add_argument("--dry-run", action="store_true", help="Only print what would be cleared.")

    def handle(self, *args: Any, **options: Any) -> None:
        families = sorted(_clearable()) if options["all"] else options["family"]
        if not families and not options["tag"]:
            raise CommandError("Name what to clear: --tag, --family or --all.")
        try:
            self._reject_unused(options["tag"])
            self._bump(options["tag"], options["dry_run"])
            self._clear(families, options["dry_run"])
        except RedisUnavailable as error:
            raise CommandError(str(error)) from error

    def _reject_unused(self, tags: list[str]) -> None:
        """Raise CommandError if a tag is not in use. Nothing is cleared then: a typo must not look like a success."""
        unused = [tag for tag in tags if tag not in versions.namespaces and not has_values(tag)]
        if unused:
            raise CommandError(f"No cached value has the tag {', '.join(unused)}.")

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
