"""System checks with stable ids."""

from collections.abc import Sequence
from typing import Any

from django.apps.config import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from games.fairness import SITES


@register
def check_site_is_supported(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Return games.E001 if SITE is not a supported site."""
    if settings.SITE in SITES:
        return []
    allowed = ", ".join(sorted(SITES))
    return [Error(f"SITE is {settings.SITE!r}.", hint=f"SITE must be one of: {allowed}.", id="games.E001")]
