"""The panels: what each asks of the API, and what its template shows."""

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
from web.api_calls import Answer, ask
from web.dashboard.api import Row, asked, is_live, only
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
    """`answers`: the API calls behind it. `context` goes to `dashboard/<name>.html`."""

    name: str
    answers: Sequence[Answer]
    context: Mapping[str, Any] = field(default_factory=dict)

    @property
    def settled(self) -> bool:
        """Whether all of it came from the view, or from a table that is right for good."""
        return all(is_live(answer) for answer in self.answers if "meta" in answer.body)


Build = Callable[[DashboardQuery], Panel]


def strip(query: DashboardQuery) -> Panel:
    """The newest games with their verdicts."""
    zone = query.zone.key
    wanted = GamesQuery(data={"per_page": str(STRIP_GAMES)} | ({} if zone == "UTC" else {"tz": zone}))
    wanted.is_valid(raise_exception=True)
    answer = ask("/api/games/", LIST, wanted, lambda: ComputedResult(selectors.game_page(wanted)))
    return Panel("strip", [answer], {"games": answer.body["results"], "count": answer.body["count"]})


def conditions(query: DashboardQuery) -> Panel:
    """The configured conditions of the asked one's kind, and the asked one."""
    chosen, zone = query.condition, query.zone.key
    configured = [one for one in parse_names(settings.ANALYTICS_CONDITIONS) if one.kind == chosen.kind]
    rows = sorted({*configured[: MAX_CONDITIONS - 1], chosen})
    values = {chosen.kind: ",".join(one.value for one in rows)}
    shares = [asked(OccurrencesView, zone, **values, **window) for _, window in WINDOWS]
    droughts = asked(SeriesView, zone, **values, all="true", limit="1", sort="length")
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
    answer = asked(
        IntervalsView,
        query.zone.key,
        **{condition.kind: condition.value},
        hours=str(query.hours_asked),
        interval=str(query.minutes),
    )
    found = only(answer)
    expected = chance_percent(condition)
    context = {
        "heat": heat(found["intervals"], query.minutes, expected),
        "intervals": found["intervals"][::-1],
        "total": {name: sum(one[name] for one in found["intervals"]) for name in ("count", "games")},
        "condition": condition,
        "hours": query.hours_asked,
        "minutes": query.minutes,
        "expected": expected,
    }
    return Panel("heat", [answer], context)


def distribution(query: DashboardQuery) -> Panel:
    answer = asked(DistributionView, query.zone.key, **query.window, bins=bins_parameter(CHART_EDGES))
    found = only(answer)
    chart = survival(found["bins"], found["games"], chance_of) if found["games"] else None
    return Panel("distribution", [answer], {"chart": chart, "bins": found["bins"], "games": found["games"]})


def series(query: DashboardQuery) -> Panel:
    condition = query.condition
    answer = asked(
        SeriesView,
        query.zone.key,
        **{condition.kind: condition.value},
        games="1000",
        sort=query.order,
        limit=str(SERIES_LISTED),
    )
    found = only(answer)
    chance = chance_percent(condition)
    context = {
        "chart": skyline(found["series"], 100 / chance, ranked=query.order == "length"),
        "series": found["series"],
        "summary": found["summary"],
        "gap": 100 / chance,
        "chance": chance,
        "condition": condition,
        "window": answer.body["meta"]["window"],
        "by_time": query.link(sort="time"),
        "by_length": query.link(sort="length"),
    }
    return Panel("series", [answer], context)


def fairness(query: DashboardQuery) -> Panel:
    answer = asked(AuditView, query.zone.key, **query.window)
    return Panel("fairness", [answer], {"audit": only(answer), "window": answer.body["meta"]["window"]})


def chance_of(crash_point: float) -> float:
    return float(site_law().probability_at_least(round(crash_point * 100)))


def chance_percent(condition: Condition) -> float:
    """By the law, not rounded as the API tells it: rare conditions would be 0."""
    return float(100 * condition.probability(site_law()))


PANELS: Mapping[str, Build] = {
    "strip": strip,
    "conditions": conditions,
    "heat": heat_map,
    "distribution": distribution,
    "fairness": fairness,
    "series": series,
}
