import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from cachecore.api.serializers import stats_body
from cachecore.keys import Role
from cachecore.maintenance import consistency
from cachecore.redis_client.connections import RedisUnavailable
from cachecore.stats import server_info, stats
from cachecore.stats.measures import FamilyStats

WIDTH = 140  # columns of the output if it is not a terminal


class Command(BaseCommand):
    help = "Print the cache's statistics over all processes, as a table or as the monitoring API's JSON."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--family", help="Print this family only.")
        parser.add_argument("--json", action="store_true", help="Print the body of /api/admin/monitoring/cache/stats/.")
        parser.add_argument(
            "--check",
            type=int,
            metavar="N",
            help="Compare N cached responses with recomputed ones; exit non-zero if any differs.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        snapshot = stats.snapshot()
        servers = server_info.read_all_roles()
        unavailable = [role for role, server in servers.items() if not server.up]
        if unavailable or not snapshot.complete:
            raise CommandError(f"Redis is unavailable (role {', '.join(unavailable) or 'state'}).")
        if options["check"] is not None:
            return self._check(options["check"])
        families = self._chosen(snapshot.families, options["family"])
        if options["json"]:
            return self._print_json({family.family for family in families})
        self._print_table(families, options["family"] is None)
        self._print_servers(servers)
        return None

    def _chosen(self, families: tuple[FamilyStats, ...], name: str | None) -> list[FamilyStats]:
        chosen = [family for family in families if name in (None, family.family)]
        if name is not None and not chosen:
            counted = ", ".join(family.family for family in families) or "none"
            raise CommandError(f"There are no counts for family {name}; choose from: {counted}.")
        return chosen

    def _print_json(self, chosen: set[str]) -> None:
        body = stats_body()
        body["stats"]["families"] = [family for family in body["stats"]["families"] if family["family"] in chosen]
        self.stdout.write(json.dumps(body, indent=2))

    def _print_table(self, families: list[FamilyStats], with_total: bool) -> None:
        table = Table(title="Cache by family", title_justify="left")
        table.add_column("family", no_wrap=True)
        for name in COLUMNS:
            table.add_column(name, justify="right")
        for family in families:
            table.add_row(family.family, *_cells(family))
        if with_total and families:
            table.add_section()
            total = stats.snapshot().total
            table.add_row(total.family, *_cells(total))
        self._console().print(table)

    def _print_servers(self, servers: dict[Role, server_info.ServerInfo]) -> None:
        for role, server in servers.items():
            megabytes = (server.memory_used_bytes or 0) / 1_000_000
            self.stdout.write(
                f"Redis {role}: {megabytes:.1f} MB, {server.keys} keys, {server.evicted_keys} evicted, "
                f"breaker {server.breaker}."
            )

    def _check(self, count: int) -> None:
        if count < 1:
            raise CommandError("--check must be at least 1, for example --check 100.")
        try:
            with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
                task = progress.add_task("Comparing", total=count)
                report = consistency.check(count, on_compared=lambda: progress.advance(task))
        except RedisUnavailable as error:
            raise CommandError(str(error)) from error
        self.stdout.write(str(report))
        if not report.compared:
            raise CommandError("No response could be compared: none could be stored, or none could be computed.")
        if report.disagreeing:
            raise CommandError(f"Different from the recomputed response: {', '.join(report.disagreeing[:5])}")

    def _console(self) -> Console:
        terminal = self.stdout.isatty()
        return Console(file=self.stdout, width=None if terminal else WIDTH)  # type: ignore[arg-type]


COLUMNS = (
    *("hit rate", "hits", "local", "stale", "misses", "bypass", "errors", "waits", "refused"),
    *("stored", "compute p95"),
)


def _cells(family: FamilyStats) -> list[str]:
    rate, p95 = family.hit_rate, family.latency("compute").quantile_seconds(0.95)
    counts = [family.events(event) for event in ("hit", "local_hit", "stale", "miss", "bypass", "error", "wait")]
    return [
        "-" if rate is None else f"{rate:.2%}",
        *(f"{number:,}" for number in (*counts, family.events("refused"))),
        _bytes(family.stored_bytes),
        "-" if p95 is None else f"<= {p95 * 1000:g} ms",
    ]


def _bytes(number: int) -> str:
    return f"{number / 1_000_000:,.1f} MB"
