from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand

from config.env import DATA_DIR
from config.local_keys import SEED_KEYS_FILE, create_local_keys


class Command(BaseCommand):
    help = "Migrate, load a first day of games into an empty table, and bring the live view up to date. Run by `stack`."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.PLAY_SEED_KEYS:
            create_local_keys(DATA_DIR / SEED_KEYS_FILE)  # the processes that start next read them
        call_command("migrate", verbosity=0)
        call_command("load_history")
        call_command("apply_pending")
