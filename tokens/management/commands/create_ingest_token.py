from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import Permission, User
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import models, transaction

from tokens.models import AccessToken
from tokens.services import create_token

INGEST = "ingest"


class Command(BaseCommand):
    help = (
        "Create a user that may record games over the API. The token is printed once, as the only line on standard "
        "output. The user has no password and cannot log in."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="The user name, for example the name of the program that sends games.")
        parser.add_argument("--revoke", action="store_true", help="Delete the token and revoke the permission.")

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        if options["revoke"]:
            self._revoke(options["name"])
        else:
            self._create(options["name"])

    def _create(self, name: str) -> None:
        user = User.objects.filter(username=name).first() or _new_user(name)
        if not user.is_active:
            raise CommandError(f"The user {name} is not active, so its token would be rejected.")
        if _ingest_tokens(name).exists():
            raise CommandError(
                f"{name} already has a token, which was printed when it was created. "
                "Revoke it with --revoke to create a new one."
            )
        user.user_permissions.add(_ingest_permission())
        _, text = create_token(user=user, name=INGEST, scopes=["ingest"])
        self.stdout.write(text)
        self.stderr.write(f"This is the token of {name}. Send it in the header: Authorization: Token <token>", str)

    def _revoke(self, name: str) -> None:
        deleted, _ = _ingest_tokens(name).delete()
        if not deleted:
            raise CommandError(f"{name} has no token.")
        User.objects.get(username=name).user_permissions.remove(_ingest_permission())
        self.stdout.write(f"Revoked the token of {name}.")


def _ingest_tokens(username: str) -> models.QuerySet[AccessToken]:
    """Return the user's tokens that may record games, those of earlier releases included."""
    ids = [token.pk for token in AccessToken.objects.filter(user__username=username) if "ingest" in token.scopes]
    return AccessToken.objects.filter(pk__in=ids)


def _new_user(name: str) -> User:
    user = User(username=name)
    user.set_unusable_password()
    try:
        user.full_clean()
    except ValidationError as error:
        raise CommandError(f"Invalid user name: {' '.join(error.messages)}") from error
    user.save()
    return user


def _ingest_permission() -> Permission:
    return Permission.objects.get(content_type__app_label="games", codename="ingest_games")
