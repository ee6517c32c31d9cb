"""System checks with stable ids."""

from collections.abc import Sequence
from typing import Any

from django.apps.config import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from analytics.conditions import parse_names


@register
def conditions_can_be_read(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """analytics.E001: ANALYTICS_CONDITIONS names something that is not a condition."""
    try:
        parse_names(settings.ANALYTICS_CONDITIONS)
    except ValueError as error:
        return [
            Error(
                f"ANALYTICS_CONDITIONS: {error}",
                hint="For example min:10, max:1.5, floor:2.",
                id="analytics.E001",
            )
        ]
    return []
