from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from analytics import view_maintenance
from analytics.live.writer_lock import WriterFenced
from cachecore.locks import LockHeld
from cachecore.redis_client.connections import RedisUnavailable

SHOWN = 20


class Command(BaseCommand):
    help = "Compare every cell of the live view with the games table; exit 1 if one differs. Repairs nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--wait", type=float, default=30.0, help="Seconds to wait for another writer, default 30.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            found = view_maintenance.find_drift(wait_seconds=options["wait"])
        except (LockHeld, WriterFenced) as error:
            raise CommandError("Another writer is at work; try again.") from error
        except view_maintenance.ChangedDuringCheck as error:
            raise CommandError("Games changed during every check; try again.") from error
        except RedisUnavailable as error:
            raise CommandError(str(error)) from error
        for drift in found[:SHOWN]:
            self.stdout.write(str(drift))
        if found:
            raise CommandError(
                f"Cells of the live view that differ from the games table: {len(found)}. "
                "Run `rebuild_aggregates` to repair them."
            )
        self.stdout.write("No drift: every cell of the live view agrees with the games table.")
