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

WIDTH = 140  # columns where no terminal says how many it has


class Command(BaseCommand):
    help = "What the cache does, over all processes: a table, or JSON as the monitoring API answers it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--family", help="Only this family.")
        parser.add_argument("--json", action="store_true", help="The body of /api/admin/monitoring/cache/stats/.")
        parser.add_argument(
            "--check",
            type=int,
            metavar="N",
            help="Compare N cached answers with ones computed anew; exit non-zero if any disagrees.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        snapshot = stats.snapshot()
        servers = server_info.read_all_roles()
        away = [role for role, server in servers.items() if not server.up]
        if away or not snapshot.complete:
            raise CommandError(f"Redis does not answer (role {', '.join(away) or 'state'}).")
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
            raise CommandError(f"Nothing was counted for {name}; counted: {counted}.")
        return chosen

    def _print_json(self, chosen: set[str]) -> None:
        answer = stats_body()
        answer["stats"]["families"] = [one for one in answer["stats"]["families"] if one["family"] in chosen]
        self.stdout.write(json.dumps(answer, indent=2))

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

    def _check(self, wanted: int) -> None:
        if wanted < 1:
            raise CommandError("Say how many answers to check: --check 100.")
        try:
            with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
                task = progress.add_task("Comparing", total=wanted)
                report = consistency.check(wanted, on_compared=lambda: progress.advance(task))
        except RedisUnavailable as error:
            raise CommandError(str(error)) from error
        self.stdout.write(str(report))
        if not report.compared:
            raise CommandError("Nothing could be compared: no standard answer is kept, or none can be computed.")
        if report.disagreeing:
            raise CommandError(f"Disagree: {', '.join(report.disagreeing[:5])}")

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
