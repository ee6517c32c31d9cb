"""The panels: the API calls that each makes, and the context that its template gets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

from analytics.compute.distribution import CHART_EDGES
from analytics.conditions import MAX_CONDITIONS, Condition, parse_names
from analytics.endpoints.audit import AuditView
from analytics.endpoints.common import site_law
from analytics.endpoints.distribution import DistributionView, bins_parameter
from analytics.endpoints.intervals import IntervalsView
from analytics.endpoints.occurrences import OccurrencesView
from analytics.endpoints.series import SeriesView
from cachecore.responses.caching import ComputedResult
from games import selectors
from games.filters import GamesQuery
from games.views import LIST
from web.api_calls import ApiResult, call_api
from web.dashboard.api import Row, call_endpoint, is_live, single_result
from web.dashboard.charts.deviation import bar, z_score
from web.dashboard.charts.heat import heat
from web.dashboard.charts.skyline import skyline
from web.dashboard.charts.survival import survival
from web.dashboard.parameters import DashboardQuery

STRIP_GAMES = 44
SERIES_LISTED = 100
WINDOWS: Sequence[tuple[str, Mapping[str, str]]] = (
    ("100", {"games": "100"}),
    ("1000", {"games": "1000"}),
    ("24h", {"hours": "24"}),
    ("all", {"all": "true"}),
)


@dataclass(frozen=True, slots=True)
class Panel:
    """The results of a panel's API calls, and the context of its template, `dashboard/<name>.html`."""

    name: str
    api_results: Sequence[ApiResult]
    context: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_live(self) -> bool:
        """True if the live view supplied all analytics of the panel. (The list of games never comes from it.)"""
        return all(is_live(result) for result in self.api_results if "meta" in result.body)


Build = Callable[[DashboardQuery], Panel]


def strip(query: DashboardQuery) -> Panel:
    """Build the panel of the newest games with their verdicts."""
    zone = query.zone.key
    games = GamesQuery(data={"per_page": str(STRIP_GAMES)} | ({} if zone == "UTC" else {"tz": zone}))
    games.is_valid(raise_exception=True)
    result = call_api("/api/games/", LIST, games, lambda: ComputedResult(selectors.game_page(games)))
    return Panel("strip", [result], {"games": result.body["results"], "count": result.body["count"]})


def conditions(query: DashboardQuery) -> Panel:
    """Build the table of the chosen condition and the configured conditions of its kind."""
    chosen, zone = query.condition, query.zone.key
    configured = [one for one in parse_names(settings.ANALYTICS_CONDITIONS) if one.kind == chosen.kind]
    rows = sorted({*configured[: MAX_CONDITIONS - 1], chosen})
    values = {chosen.kind: ",".join(one.value for one in rows)}
    shares = [call_endpoint(OccurrencesView, zone, **values, **window) for _, window in WINDOWS]
    droughts = call_endpoint(SeriesView, zone, **values, all="true", limit="1", sort="length")
    table = [
        {"link": query.link(**{one.kind: one.value})}
        | _condition_row(one, [share.body["results"][i] for share in shares], droughts.body["results"][i])
        for i, one in enumerate(rows)
    ]
    return Panel("conditions", [*shares, droughts], {"rows": table, "chosen": chosen})


def _condition_row(condition: Condition, shares: Sequence[Row], droughts: Row) -> Row:
    expected = chance_percent(condition)
    return {
        "condition": condition,
        "expected": expected,
        "gap": 100 / expected,
        "shares": [_share(window, share, expected) for (window, _), share in zip(WINDOWS, shares, strict=True)],
        "current": droughts["summary"]["current"],
        "longest": droughts["summary"]["longest"],
    }


def _share(window: str, share: Row, expected: float) -> Row:
    z = z_score(share["count"], share["games"], expected)
    return {**share, "window": window, "z": z, "bar": bar(z)}


def heat_map(query: DashboardQuery) -> Panel:
    condition = query.condition
    result = call_endpoint(
        IntervalsView,
        query.zone.key,
        **{condition.kind: condition.value},
        hours=str(query.heat_map_hours),
        interval=str(query.interval_minutes),
    )
    found = single_result(result)
    expected = chance_percent(condition)
    context = {
        "heat": heat(found["intervals"], query.interval_minutes, expected),
        "intervals": found["intervals"][::-1],
        "total": {name: sum(one[name] for one in found["intervals"]) for name in ("count", "games")},
        "condition": condition,
        "hours": query.heat_map_hours,
        "minutes": query.interval_minutes,
        "expected": expected,
    }
    return Panel("heat", [result], context)


def distribution(query: DashboardQuery) -> Panel:
    result = call_endpoint(DistributionView, query.zone.key, **query.games_window, bins=bins_parameter(CHART_EDGES))
    found = single_result(result)
    chart = survival(found["bins"], found["games"], chance_of) if found["games"] else None
    return Panel("distribution", [result], {"chart": chart, "bins": found["bins"], "games": found["games"]})


def series(query: DashboardQuery) -> Panel:
    condition = query.condition
    result = call_endpoint(
        SeriesView,
        query.zone.key,
        **{condition.kind: condition.value},
        games="1000",
        sort=query.order,
        limit=str(SERIES_LISTED),
    )
    found = single_result(result)
    chance = chance_percent(condition)
    context = {
        "chart": skyline(found["series"], 100 / chance, ranked=query.order == "length"),
        "series": found["series"],
        "summary": found["summary"],
        "gap": 100 / chance,
        "chance": chance,
        "condition": condition,
        "window": result.body["meta"]["window"],
        "by_time": query.link(sort="time"),
        "by_length": query.link(sort="length"),
    }
    return Panel("series", [result], context)


def fairness(query: DashboardQuery) -> Panel:
    result = call_endpoint(AuditView, query.zone.key, **query.games_window)
    return Panel("fairness", [result], {"audit": single_result(result), "window": result.body["meta"]["window"]})


def chance_of(crash_point: float) -> float:
    """Return the probability that a game reaches a crash point."""
    return float(site_law().probability_at_least(round(crash_point * 100)))


def chance_percent(condition: Condition) -> float:
    """Return the probability by the site's law, not rounded as in the API: there a rare condition would have 0."""
    return float(100 * condition.probability(site_law()))


PANELS: Mapping[str, Build] = {
    "strip": strip,
    "conditions": conditions,
    "heat": heat_map,
    "distribution": distribution,
    "fairness": fairness,
    "series": series,
}
