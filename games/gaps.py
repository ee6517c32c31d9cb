"""Which ids are missing from the table."""

from collections.abc import Iterator

from django.db.models import F, Max, Min, Window
from django.db.models.functions import Lead

from games.models import Game


def find_gaps(first: int | None = None, last: int | None = None) -> Iterator[tuple[int, int]]:
    """Yield the runs of missing ids from `first` to `last` in ascending order, all ends included.

    None stands for the oldest and the newest game. An empty table has neither: then both bounds must be given for
    anything to be missing.
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
    borders = games.annotate(following=following).filter(following__gt=F("game_id") + 1).order_by("game_id")
    for before, after in borders.values_list("game_id", "following").iterator():
        yield before + 1, after - 1
    if last is not None and newest < last:
        yield newest + 1, last
