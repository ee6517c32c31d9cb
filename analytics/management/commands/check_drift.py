from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from analytics import view_maintenance
from analytics.live.writer_lock import WriterFenced
from cachecore.locks import LockHeld
from cachecore.redis_client.connections import RedisUnavailable

SHOWN = 20


class Command(BaseCommand):
    help = "Hold every cell of the live view against the table; exit 1 when one differs. Repairs nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--wait", type=float, default=30.0, help="Seconds to wait for another writer, default 30.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            found = view_maintenance.find_drift(wait_seconds=options["wait"])
        except (LockHeld, WriterFenced) as error:
            raise CommandError("Another writer is at work; try again.") from error
        except view_maintenance.ChangedDuringCheck as error:
            raise CommandError("Games changed during every look; try again.") from error
        except RedisUnavailable as error:
            raise CommandError(str(error)) from error
        for drift in found[:SHOWN]:
            self.stdout.write(str(drift))
        if found:
            raise CommandError(f"{len(found)} cells differ from the table; `rebuild_aggregates` mends them.")
        self.stdout.write("No drift: every cell is what the table gives.")
