from functools import cache

import factory
from django.conf import settings

from games import fairness
from games.links import is_linked
from games.models import Game
from games.rounds import Round
from tests.chains import BCGAME_LAST, bcgame_rounds

GENUINE = 10_000  # games with a genuine hash
FIRST_ID = BCGAME_LAST - GENUINE + 1


class GameFactory(factory.django.DjangoModelFactory):
    """A game of BC.Game with its true hash and crash point. Ids ascend; an id outside of the genuine ones has no hash.

    The derived fields (`verified` and so on) follow from the given values. Saving a game announces the change.
    """

    class Meta:
        model = Game

    game_id = factory.Sequence(lambda n: FIRST_ID + n)
    hash = factory.LazyAttribute(lambda game: found.hash if (found := _genuine().get(game.game_id)) else None)
    crash_hundredths = factory.LazyAttribute(
        lambda game: found.crash_hundredths if (found := _genuine().get(game.game_id)) else 200
    )
    calculated_hundredths = factory.LazyAttribute(lambda game: _verdict(game).calculated_hundredths)
    verified = factory.LazyAttribute(lambda game: _verdict(game).verified)
    formula = factory.LazyAttribute(lambda game: _verdict(game).formula or "")
    source = "test"

    @classmethod
    def _create(cls, model_class, *args, **values):
        previous = Game.objects.filter(game_id=values["game_id"] - 1).values_list("hash", flat=True).first()
        values.setdefault("linked", is_linked(values["game_id"], values["hash"], previous))
        return super()._create(model_class, *args, **values)


@cache
def _genuine() -> dict[int, Round]:
    return {round_.game_id: round_ for round_ in bcgame_rounds(GENUINE)}


def _verdict(game: Game) -> fairness.Verdict:
    return fairness.verify(settings.SITE, game.game_id, game.hash, game.crash_hundredths)
