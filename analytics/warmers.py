"""The standard answers of the analytics API: what the front-ends' first pages ask."""

from collections.abc import Iterator

from analytics import keys
from analytics.services import conditions
from cachecore import warming


def standard_occurrences() -> Iterator[str]:
    for condition in conditions():
        yield f"/api/analytics/occurrences/?{condition.kind}={condition.value}"


def standard_intervals() -> Iterator[str]:
    for condition in conditions():
        yield f"/api/analytics/intervals/?{condition.kind}={condition.value}"


warming.register(keys.OCCURRENCES.name, standard_occurrences)
warming.register(keys.INTERVALS.name, standard_intervals)
