"""What everybody may read."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from games.play.configuration import Configuration
from games.play.currencies import CURRENCIES, FUN
from games.play.difficulties import Lane
from games.play.ladder import format_coefficient, reach_chance, step_return
from games.play.ledger import START_BALANCE_E4
from games.play.models import Agent, AgentCurrency
from games.play.money import format_e4
from games.play.selectors.configuration import current_configuration
from games.play.selectors.draw_audit import LEVEL, draw_audit
from games.play.serializers.public import ConfigurationSerializer, DrawAuditSerializer
from games.play.services.topups import ONLY_BELOW_E4, TOP_UP_E4
from games.play.views.base import PublicView
from games.query import EmptyQuery

ABANDONED_BETS = (
    "A bet without an action for session_ttl_s seconds is closed: without a step its stake is refunded, "
    "with steps it is cashed out at the coefficient reached."
)


class ConfigurationView(PublicView):
    """The rules of the game: lanes, coefficients, chances, returns, and the agent's limits."""

    @extend_schema(operation_id="play_config", responses=ConfigurationSerializer)
    def get(self, request: Request) -> Response:
        EmptyQuery().reject_unknown_parameters(request)
        return Response(ConfigurationSerializer(_configuration(self.agent, current_configuration())).data)


class AuditView(PublicView):
    """Are hazards where chance puts them? Tested over all ended bets, whatever their players did."""

    @extend_schema(operation_id="play_audit", responses=DrawAuditSerializer)
    def get(self, request: Request) -> Response:
        EmptyQuery().reject_unknown_parameters(request)
        audit = draw_audit()
        shown = {
            "bets": audit.bets,
            "tests": audit.tests,
            "level": LEVEL,
            "first_hazard": audit.first_hazard,
            "steps": audit.steps,
        }
        return Response(DrawAuditSerializer(shown, context={"audit": audit}).data)


def _configuration(agent: Agent, configuration: Configuration) -> dict[str, Any]:
    return {
        "agent": agent.code,
        "active": agent.active,
        "currencies": [_offer(offer) for offer in agent.currencies.all()],
        "play_money": _play_money(),
        "house_edge": configuration.house_edge,
        "min_return": configuration.min_return,
        "session_ttl_s": configuration.session_ttl_seconds,
        "abandoned_bets": ABANDONED_BETS,
        "difficulties": [
            _difficulty(name, lane, configuration.tables[name]) for name, lane in configuration.lanes.items()
        ],
    }


def _offer(offer: AgentCurrency) -> dict[str, Any]:
    amounts = {
        name: format_e4(getattr(offer, f"{name}_e4"), offer.decimals) for name in ("min_bet", "max_bet", "max_win")
    }
    return {"currency": offer.currency, "decimals": offer.decimals, **amounts}


def _play_money() -> dict[str, str]:
    decimals = CURRENCIES[FUN].decimals
    amounts = {"start_balance": START_BALANCE_E4, "top_up": TOP_UP_E4, "top_up_below": ONLY_BELOW_E4}
    return {"currency": FUN, **{name: format_e4(amount, decimals) for name, amount in amounts.items()}}


def _difficulty(name: str, lane: Lane, table: tuple[int, ...]) -> dict[str, Any]:
    return {
        "difficulty": name,
        "columns": lane.columns,
        "hazards": lane.hazards,
        "steps": lane.steps,
        "ladder": [
            {
                "step": step,
                "coefficient": format_coefficient(coefficient),
                "chance": reach_chance(lane, step),
                "returned": step_return(lane, step, coefficient),
            }
            for step, coefficient in enumerate(table, start=1)
        ],
    }
