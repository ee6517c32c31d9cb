"""System checks with stable ids."""

from collections.abc import Sequence
from typing import Any

from django.apps.config import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from games.fairness import SITES


@register
def site_is_known(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """games.E001: SITE names no site whose formulas are known."""
    if settings.SITE in SITES:
        return []
    return [Error(f"SITE is {settings.SITE!r}.", hint=f"One of: {', '.join(sorted(SITES))}.", id="games.E001")]
