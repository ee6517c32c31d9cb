"""Bets in a history, and the proof of one."""

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from games.play.currencies import CURRENCIES
from games.play.difficulties import LANES
from games.play.ladder import format_coefficient
from games.play.models import Bet, ClientSeedBy, EndedBy, Result, State
from games.play.money import format_e4
from games.play.serializers.fields import CoefficientField, MoneyField, TimeField


class BetSerializer(serializers.ModelSerializer[Bet]):
    bet_id = serializers.IntegerField(source="pk")
    state = serializers.ChoiceField(State.choices)
    result = serializers.SerializerMethodField()
    ended_by = serializers.SerializerMethodField()
    bet_amount = serializers.SerializerMethodField()
    coefficient = serializers.SerializerMethodField()
    win_amount = serializers.SerializerMethodField()
    placed_at = TimeField()
    ended_at = TimeField(allow_null=True)
    settled_at = TimeField(allow_null=True)

    class Meta:
        model = Bet
        fields = [
            *("bet_id", "transaction_id", "state", "result", "ended_by", "currency", "difficulty", "bet_amount"),
            *("coefficient", "win_amount", "step", "ended_at_step", "last_step", "client_seed_by", "nonce"),
            *("placed_at", "ended_at", "settled_at"),
        ]

    def get_result(self, bet: Bet) -> Result | None:
        return Result(bet.result) if bet.result else None

    def get_ended_by(self, bet: Bet) -> EndedBy | None:
        return EndedBy(bet.ended_by) if bet.ended_by else None

    def get_bet_amount(self, bet: Bet) -> str:
        return _money(bet, bet.stake_e4)

    def get_coefficient(self, bet: Bet) -> str:
        return format_coefficient(bet.coefficient(bet.step))

    def get_win_amount(self, bet: Bet) -> str | None:
        """Return what the bet paid, or null while it is open."""
        return None if bet.is_open else _money(bet, bet.payout_e4 or 0)


@extend_schema_serializer(many=False)  # a page is one object, though its view is a list
class BetPageSerializer(serializers.Serializer[Any]):
    count = serializers.IntegerField()
    count_is_exact = serializers.BooleanField()
    page = serializers.IntegerField(allow_null=True, help_text="null in the response to a cursor.")
    per_page = serializers.IntegerField()
    pages = serializers.IntegerField()
    next = serializers.CharField(allow_null=True, help_text="Relative link to older bets.")
    previous = serializers.CharField(allow_null=True, help_text="Relative link to newer bets.")
    results = BetSerializer(many=True)


class OrderSerializer(serializers.Serializer[Any]):
    """Whether the house could have chosen the hazards against the player."""

    is_proven = serializers.BooleanField()
    reason = serializers.CharField()


class BetVerificationSerializer(serializers.Serializer[Any]):
    """Everything that decides a bet. Seed and hazards are null while it is open."""

    bet_id = serializers.IntegerField()
    state = serializers.ChoiceField(State.choices)
    difficulty = serializers.ChoiceField(list(LANES))
    columns = serializers.IntegerField()
    hazard_count = serializers.IntegerField()
    hazards = serializers.ListField(child=serializers.IntegerField(), allow_null=True)
    server_seed = serializers.CharField(allow_null=True)
    hashed_server_seed = serializers.CharField()
    client_seed = serializers.CharField()
    client_seed_by = serializers.ChoiceField(ClientSeedBy.choices)
    nonce = serializers.IntegerField()
    commitment_shown_at = TimeField(allow_null=True)
    client_seed_set_at = TimeField(allow_null=True)
    placed_at = TimeField()
    order = OrderSerializer()
    coefficients = serializers.ListField(child=CoefficientField())
    steps_taken = serializers.IntegerField()
    ended_at_step = serializers.IntegerField(allow_null=True)
    last_step = serializers.IntegerField()
    currency = serializers.CharField()
    bet_amount = MoneyField()
    win_amount = MoneyField(allow_null=True, help_text="null while the bet is open.")


def _money(bet: Bet, amount_e4: int) -> str:
    return format_e4(amount_e4, CURRENCIES[bet.currency].decimals)
