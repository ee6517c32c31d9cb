"""What everybody may read: the configuration and the audit of the draw."""

from fractions import Fraction
from typing import Any

from rest_framework import serializers

from games.play.difficulties import LANES
from games.play.selectors.draw_audit import GROUPS
from games.play.serializers.fields import CoefficientField, MoneyField

DECIMALS = 6


class ShareSerializer(serializers.Serializer[Fraction]):
    """A share as an exact fraction, and rounded to six decimals."""

    exact = serializers.CharField(help_text="numerator/denominator")
    rounded = serializers.CharField()

    def to_representation(self, share: Fraction) -> dict[str, str]:
        millionths = round(share * 10**DECIMALS)
        whole, rest = divmod(millionths, 10**DECIMALS)
        return {"exact": f"{share.numerator}/{share.denominator}", "rounded": f"{whole}.{rest:0{DECIMALS}d}"}


class LadderStepSerializer(serializers.Serializer[Any]):
    step = serializers.IntegerField()
    coefficient = CoefficientField()
    chance = ShareSerializer(help_text="The chance of reaching this step.")
    returned = ShareSerializer(help_text="The share of the stake that comes back on average.")

    def get_fields(self) -> dict[str, Any]:
        """Name the last field `return`, which is a keyword."""
        fields = super().get_fields()
        fields["return"] = fields.pop("returned")
        fields["return"].source = "returned"
        return fields


class DifficultySerializer(serializers.Serializer[Any]):
    difficulty = serializers.ChoiceField(list(LANES))
    columns = serializers.IntegerField()
    hazards = serializers.IntegerField()
    steps = serializers.IntegerField()
    ladder = LadderStepSerializer(many=True)


class OfferSerializer(serializers.Serializer[Any]):
    currency = serializers.CharField()
    decimals = serializers.IntegerField()
    min_bet = MoneyField()
    max_bet = MoneyField()
    max_win = MoneyField(help_text="The ladder ends before the step that would pay more.")


class PlayMoneySerializer(serializers.Serializer[Any]):
    currency = serializers.CharField()
    start_balance = MoneyField()
    top_up = MoneyField()
    top_up_below = MoneyField(help_text="A top-up is possible once a day while the balance is below this.")


class ConfigurationSerializer(serializers.Serializer[Any]):
    agent = serializers.CharField()
    active = serializers.BooleanField()
    currencies = OfferSerializer(many=True)
    play_money = PlayMoneySerializer()
    house_edge = ShareSerializer()
    min_return = ShareSerializer()
    session_ttl_s = serializers.IntegerField()
    abandoned_bets = serializers.CharField(help_text="What becomes of a bet whose player left.")
    difficulties = DifficultySerializer(many=True)


class CellSerializer(serializers.Serializer[Any]):
    first_column = serializers.IntegerField()
    last_column = serializers.IntegerField()
    observed = serializers.IntegerField()
    expected = ShareSerializer()


class FirstHazardSerializer(serializers.Serializer[Any]):
    difficulty = serializers.ChoiceField(list(LANES), source="game.difficulty")
    columns = serializers.IntegerField(source="game.lane.columns")
    hazards = serializers.IntegerField(source="game.lane.hazards")
    group = serializers.ChoiceField(GROUPS)
    bets = serializers.IntegerField()
    cells = CellSerializer(many=True)
    chi_square = serializers.FloatField(allow_null=True)
    degrees_of_freedom = serializers.SerializerMethodField()
    p_value = serializers.FloatField(allow_null=True)
    verdict = serializers.SerializerMethodField()

    def get_degrees_of_freedom(self, test: Any) -> int:
        return len(test.cells) - 1

    def get_verdict(self, test: Any) -> str | None:
        verdict: str | None = self.context["audit"].verdict(test)
        return verdict


class StepRowSerializer(serializers.Serializer[Any]):
    difficulty = serializers.ChoiceField(list(LANES), source="game.difficulty")
    columns = serializers.IntegerField(source="game.lane.columns")
    hazards = serializers.IntegerField(source="game.lane.hazards")
    step = serializers.IntegerField()
    attempts = serializers.IntegerField()
    survived = serializers.IntegerField()
    expected = ShareSerializer(help_text="The share that survives this step by the law.")


class GroupCountsSerializer(serializers.Serializer[Any]):
    all = serializers.IntegerField()
    placed = serializers.IntegerField()
    refused = serializers.IntegerField()
    cancelled = serializers.IntegerField()


class DrawAuditSerializer(serializers.Serializer[Any]):
    bets = GroupCountsSerializer()
    tests = serializers.IntegerField(help_text="The number of tests below that have a p-value.")
    level = serializers.FloatField(help_text="A verdict is `deviates` where the p-value is below level / tests.")
    first_hazard = FirstHazardSerializer(many=True)
    steps = StepRowSerializer(many=True)
