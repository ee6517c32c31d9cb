from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from tokens.scopes import SCOPES
from tokens.services import create_token


class Command(BaseCommand):
    help = "Create an access token of a user and print it, once and alone, on standard output."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username", help="The user whose permissions the token has.")
        parser.add_argument("--name", default="command line", help="What uses the token; one name per user.")
        parser.add_argument(
            "--scope",
            action="append",
            required=True,
            choices=list(SCOPES),
            help="What it may be used for; may be given more than once.",
        )
        parser.add_argument("--expires-days", type=int, help="Days until it expires; without it, never.")

    def handle(self, *args: Any, **options: Any) -> None:
        user = get_user_model().objects.filter(username=options["username"]).first()
        if user is None:
            raise CommandError(f"There is no user {options['username']}.")
        if not user.is_active:
            raise CommandError(f"{user} is not active: the token would be refused.")
        days = options["expires_days"]
        if days is not None and days < 1:
            raise CommandError("--expires-days must be at least 1.")
        try:
            token, text = create_token(
                user=user,
                name=options["name"],
                scopes=options["scope"],
                expires_at=None if days is None else timezone.now() + timedelta(days=days),
            )
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        self.stdout.write(text)
        self.stderr.write(f"This is the token {token.name!r} of {user}. Send it as: Authorization: Token <token>", str)
