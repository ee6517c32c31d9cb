import os
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from config.env import BASE_DIR, DATA_DIR, env, integer
from games.feeds.base import FeedMisconfigured
from games.feeds.selection import require_bcgame


class Command(BaseCommand):
    help = (
        "Run everything on this machine: a private Valkey, the migrations, a first day of games, and the web server, "
        "worker, beat and monitor under one supervisor. Servers named by REDIS_URL and DATABASE_URL are used instead "
        "of private ones. Ctrl-C ends all of it."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", help="HOST, default 127.0.0.1")
        parser.add_argument("--port", type=int, help="PORT, default 8000")

    def handle(self, *args: Any, **options: Any) -> None:
        """Become the supervisor (config/stack/__main__.py): Django has checked the settings and is not needed there."""
        _check_feed()
        environment = {
            "HOST": options["host"] or env.str("HOST", default="127.0.0.1"),
            "PORT": str(integer("PORT", 8000, minimum=1) if options["port"] is None else options["port"]),
            "DATA_DIR": str(DATA_DIR),
            "WEB_WORKERS": str(integer("WEB_WORKERS", 1, minimum=1)),
        }
        os.chdir(BASE_DIR)
        sys.stdout.flush()
        command = [sys.executable, "-m", "config.stack"]
        os.execve(sys.executable, command, {**os.environ, **environment})  # noqa: S606  no shell is wanted


def _check_feed() -> None:
    """Raise CommandError if no feed has the games of SITE: the monitor would end again and again."""
    if settings.FEED == "none":
        return
    try:
        require_bcgame(settings)
    except FeedMisconfigured as error:
        raise CommandError(str(error)) from error
