from typing import Any

from django.core.management.base import BaseCommand, CommandError

from games.play.errors import SeedsUnavailable
from games.play.services.key_rotation import reencrypt_seeds


class Command(BaseCommand):
    help = (
        "Encrypt every stored seed of the step game with the first key of PLAY_SEED_KEYS. Put the new key in front, "
        "restart, run this, then take the old key out."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            changed = sum(reencrypt_seeds())
        except SeedsUnavailable as error:
            raise CommandError("No key of PLAY_SEED_KEYS opens one of the seeds: add its key.") from error
        self.stdout.write(f"Encrypted {changed:,} seeds with the first key.")
