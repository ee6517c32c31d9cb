"""System checks of analytics, with stable ids."""

from collections.abc import Sequence
from typing import Any

from django.apps.config import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from analytics.conditions import parse_names


@register
def check_conditions(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Report analytics.E001 if ANALYTICS_CONDITIONS contains a name that is not a condition."""
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
