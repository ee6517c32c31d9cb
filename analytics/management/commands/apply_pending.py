from typing import Any

from django.core.management.base import BaseCommand, CommandError

from analytics import services
from cachecore.redis_client.connections import RedisUnavailable


class Command(BaseCommand):
    help = "Apply every pending game to the live view now, in this process. Builds the view if there is none."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            applied = services.apply_pending()
        except RedisUnavailable as error:
            raise CommandError(str(error)) from error
        if applied is None:
            raise CommandError("Another writer is at work; try again.")
        built = "Built the view. " if applied.rebuilt else ""
        self.stdout.write(
            f"{built}Applied {applied.new} new, {applied.corrected} corrected, {applied.removed} removed games; "
            f"{applied.unchanged} were unchanged."
        )
