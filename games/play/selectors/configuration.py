"""The configuration in force, and what an agent offers."""

import logging
from datetime import timedelta

from games.play.configuration import (
    DEFAULTS,
    SESSION_TTL,
    Configuration,
    InvalidConfiguration,
    parse_configuration,
)
from games.play.errors import InvalidCurrency, InvalidStoredConfiguration
from games.play.models import Agent, AgentCurrency, GameConfig

logger = logging.getLogger(__name__)


def current_configuration() -> Configuration:
    """Raise InvalidStoredConfiguration if a stored value is wrong. Admin refuses such a value; SQL does not."""
    try:
        return parse_configuration(dict(GameConfig.objects.values_list("key", "value")))
    except InvalidConfiguration as error:
        logger.error("game_config: %s: %s", error.key, error)
        raise InvalidStoredConfiguration from error


def session_ttl() -> timedelta:
    """Return how long a bet stays open after an action. Reads one row instead of the whole configuration."""
    stored = GameConfig.objects.filter(pk=SESSION_TTL).values_list("value", flat=True).first()
    return timedelta(seconds=DEFAULTS[SESSION_TTL] if stored is None else int(stored))


def find_offer(agent: Agent, currency: str) -> AgentCurrency:
    """Return the agent's limits in a currency. Raise InvalidCurrency if the agent does not offer it."""
    offers = {offer.currency: offer for offer in agent.currencies.all()}
    if currency not in offers:
        raise InvalidCurrency(sorted(offers))
    return offers[currency]
