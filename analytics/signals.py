"""Receivers of the games app's signals."""

from typing import Any

from django.dispatch import receiver

from analytics import services
from games.signals import games_changed


@receiver(games_changed)
def on_games_changed(ids: tuple[int, ...], **kwargs: Any) -> None:
    services.games_changed(ids)
