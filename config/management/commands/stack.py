import os
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from config.env import BASE_DIR, DATA_DIR, env
from config.stack.stack import Stack, StackError


class Command(BaseCommand):
    help = (
        "Run everything on this machine: a private Valkey, the migrations, a first day of games, and the web server, "
        "worker, beat and monitor under one supervisor. Servers named by REDIS_URL and DATABASE_URL are used instead "
        "of private ones. Ctrl-C ends all of it."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default=env.str("HOST", default="127.0.0.1"), help="HOST, default 127.0.0.1")
        parser.add_argument("--port", type=int, default=env.str("PORT", default="8000"), help="PORT, default 8000")

    def handle(self, *args: Any, **options: Any) -> None:
        stack = Stack(BASE_DIR, DATA_DIR, options["host"], options["port"], os.environ)
        try:
            sys.exit(stack.run())
        except StackError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            sys.exit(130)
