"""The standard answers of the analytics API: what the front-ends' first pages ask."""

from collections.abc import Iterator
from functools import partial
from urllib.parse import quote

from django.urls import reverse

from analytics import keys
from analytics.compute.distribution import CHART_EDGES
from analytics.query.endpoints import bins_parameter
from analytics.view_settings import conditions
from cachecore.maintenance import warming


def each_condition(endpoint: str) -> Iterator[str]:
    """Its default window, for every configured condition."""
    for condition in conditions():
        yield f"{reverse(endpoint)}?{condition.kind}={condition.value}"


def distributions() -> Iterator[str]:
    yield reverse("distribution")
    yield f"{reverse('distribution')}?bins={quote(bins_parameter(CHART_EDGES))}"  # the dashboard's chart


warming.register(keys.OCCURRENCES.name, partial(each_condition, "occurrences"))
warming.register(keys.INTERVALS.name, partial(each_condition, "intervals"))
warming.register(keys.SERIES.name, partial(each_condition, "series"))
warming.register(keys.LAST_GAMES.name, partial(each_condition, "last-games"))
warming.register(keys.DISTRIBUTION.name, distributions)
