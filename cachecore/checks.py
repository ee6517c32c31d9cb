"""System checks with stable ids."""

from collections.abc import Sequence
from typing import Any

from django.apps.config import AppConfig
from django.core.checks import CheckMessage, Tags, register
from django.core.checks import Warning as CheckWarning

from cachecore import connections


@register(Tags.caches, deploy=True)
def state_role_keeps_what_it_is_given(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """cachecore.W001: the state role may evict. Silent where the server does not answer or hides its settings."""
    try:
        with connections.use("state") as client:
            policy = client.info("memory").get("maxmemory_policy", "noeviction")
    except connections.RoleUnavailable:
        return []
    if policy == "noeviction":
        return []
    return [
        CheckWarning(
            f"The state Redis evicts ({policy}): sessions, locks and the live view could vanish.",
            hint="Set maxmemory-policy noeviction on STATE_URL, or give the state role a server of its own.",
            id="cachecore.W001",
        )
    ]
