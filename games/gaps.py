"""Find the ids that are missing from the table."""

from collections.abc import Iterator

from django.db.models import F, Max, Min, Window
from django.db.models.functions import Lead

from games.models import Game


def find_gaps(first: int | None = None, last: int | None = None) -> Iterator[tuple[int, int]]:
    """Yield (first, last) of every run of missing ids between `first` and `last`, in ascending order.

    All bounds are inclusive. By default they are the oldest and the newest game. In an empty table, nothing is
    missing unless both bounds are given.
    """
    games = Game.objects.order_by()
    if first is not None:
        games = games.filter(game_id__gte=first)
    if last is not None:
        games = games.filter(game_id__lte=last)
    ends = games.aggregate(oldest=Min("game_id"), newest=Max("game_id"))
    oldest, newest = ends["oldest"], ends["newest"]
    if oldest is None:
        if first is not None and last is not None and first <= last:
            yield first, last
        return
    if first is not None and first < oldest:
        yield first, oldest - 1
    following = Window(Lead("game_id"), order_by=F("game_id").asc())
    edges = games.annotate(following=following).filter(following__gt=F("game_id") + 1).order_by("game_id")
    for before, after in edges.values_list("game_id", "following").iterator():
        yield before + 1, after - 1
    if last is not None and newest < last:
        yield newest + 1, last
