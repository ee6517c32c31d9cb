from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import Permission, User
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from rest_framework.authtoken.models import Token


class Command(BaseCommand):
    help = (
        "Make a user that may record games over the API and print its token, once and alone on standard output. "
        "The user has no password and cannot log in."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="The user name, such as that of the program that will send games.")
        parser.add_argument("--revoke", action="store_true", help="Take the token and the permission away.")

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        if options["revoke"]:
            self._revoke(options["name"])
        else:
            self._create(options["name"])

    def _create(self, name: str) -> None:
        user = User.objects.filter(username=name).first() or _new_user(name)
        if not user.is_active:
            raise CommandError(f"{name} is not active: its token would be refused.")
        user.user_permissions.add(_ingest_permission())
        token, created = Token.objects.get_or_create(user=user)
        if not created:
            raise CommandError(f"{name} has a token already, shown when it was made. For a new one: --revoke first.")
        self.stdout.write(token.key)
        self.stderr.write(f"This is the token of {name}. Send it as: Authorization: Token <token>", str)

    def _revoke(self, name: str) -> None:
        deleted, _ = Token.objects.filter(user__username=name).delete()
        if not deleted:
            raise CommandError(f"{name} has no token.")
        User.objects.get(username=name).user_permissions.remove(_ingest_permission())
        self.stdout.write(f"Revoked the token of {name}.")


def _new_user(name: str) -> User:
    user = User(username=name)
    user.set_unusable_password()
    try:
        user.full_clean()
    except ValidationError as error:
        raise CommandError(f"The name will not do: {' '.join(error.messages)}") from error
    user.save()
    return user


def _ingest_permission() -> Permission:
    return Permission.objects.get(content_type__app_label="games", codename="ingest_games")
