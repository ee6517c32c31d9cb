"""System checks with stable ids."""

from collections.abc import Sequence
from typing import Any

from cryptography.fernet import Fernet
from django.apps.config import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register

from games.play.configuration import InvalidConfiguration, parse_configuration
from games.play.models import GameConfig

KEY_HINT = 'Make one with: python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'


@register(Tags.security, deploy=True)
def seed_keys_are_valid(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """play.E001: PLAY_SEED_KEYS is empty. play.E002: it has something that is no Fernet key."""
    if not settings.PLAY_SEED_KEYS:
        return [Error("PLAY_SEED_KEYS is not set: the step game cannot store seeds.", hint=KEY_HINT, id="play.E001")]
    wrong = [number for number, key in enumerate(settings.PLAY_SEED_KEYS, start=1) if not _is_key(key)]
    return [Error(f"PLAY_SEED_KEYS: key {number} is no Fernet key.", hint=KEY_HINT, id="play.E002") for number in wrong]


@register(Tags.database)
def stored_configuration_is_valid(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """play.E003: the stored configuration is invalid, such as a table that does not fit the draw."""
    if not databases or not _is_migrated():
        return []
    try:
        parse_configuration(dict(GameConfig.objects.values_list("key", "value")))
    except InvalidConfiguration as error:
        return [Error(f"{error.key}: {error}", hint="Correct it in admin, under Step game.", id="play.E003")]
    return []


def _is_key(key: str) -> bool:
    try:
        Fernet(key)
    except ValueError:
        return False
    return True


def _is_migrated() -> bool:
    """Return True if the table exists: `migrate` itself runs this check before it creates the table."""
    from django.db import connection

    return GameConfig._meta.db_table in connection.introspection.table_names()
