"""A session, and the bodies of the calls that play it."""

from typing import Any

from rest_framework import serializers

from games.play.difficulties import LANES
from games.play.draw import CLIENT_SEED, SERVER_SEED
from games.play.models import ClientSeedBy, EndedBy, Result, State
from games.play.selectors.sessions import Session
from games.play.serializers.fields import (
    MAX_BIGINT,
    CoefficientField,
    MoneyField,
    StrictIntegerField,
    StrictSerializer,
    TimeField,
)


class SessionSerializer(serializers.Serializer[Session]):
    bet_id = serializers.IntegerField(source="bet.pk")
    agent = serializers.CharField(source="bet.agent.code")
    state = serializers.ChoiceField(State.choices, source="bet.state")
    result = serializers.SerializerMethodField()
    currency = serializers.CharField(source="bet.currency")
    difficulty = serializers.ChoiceField(list(LANES), source="bet.difficulty")
    bet_amount = MoneyField()
    step = serializers.IntegerField(source="bet.step")
    ended_at_step = serializers.IntegerField(source="bet.ended_at_step", allow_null=True)
    ended_by = serializers.SerializerMethodField()
    last_step = serializers.IntegerField(source="bet.last_step", help_text="The last step on offer.")
    coefficient = CoefficientField()
    next_coefficient = CoefficientField(allow_null=True)
    win_amount = MoneyField(help_text="What a cash-out would pay now; after the end what the bet paid.")
    max_win = MoneyField()
    hashed_server_seed = serializers.CharField(source="bet.commitment")
    client_seed = serializers.CharField(source="bet.client_seed")
    client_seed_by = serializers.ChoiceField(ClientSeedBy.choices, source="bet.client_seed_by")
    nonce = serializers.IntegerField(source="bet.nonce")
    expires_at = TimeField(source="bet.expires_at")
    time_played_s = serializers.IntegerField(help_text="Seconds played today.")
    staked_today = MoneyField()
    net_today = MoneyField()
    hazards = serializers.ListField(
        child=serializers.IntegerField(), source="bet.hazards", allow_null=True, help_text="null while the bet is open."
    )

    def get_result(self, session: Session) -> Result | None:
        return Result(session.bet.result) if session.bet.result else None

    def get_ended_by(self, session: Session) -> EndedBy | None:
        return EndedBy(session.bet.ended_by) if session.bet.ended_by else None


class SeedField(serializers.RegexField):
    """Lower-case hexadecimal digits as JSON text."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class ClientSeedField(SeedField):
    def __init__(self, **options: Any) -> None:
        super().__init__(rf"\A{CLIENT_SEED.pattern}\Z", trim_whitespace=False, **options)
        self.error_messages["invalid"] = "Expected 16 lower-case hexadecimal digits."


class CommitmentField(SeedField):
    def __init__(self, **options: Any) -> None:
        super().__init__(rf"\A{SERVER_SEED.pattern}\Z", trim_whitespace=False, **options)
        self.error_messages["invalid"] = "Expected 64 lower-case hexadecimal digits."


class BetOrderSerializer(StrictSerializer):
    amount = MoneyField()
    currency = serializers.CharField(max_length=3)
    difficulty = serializers.ChoiceField(list(LANES))
    client_seed = ClientSeedField(required=False, help_text="Chosen after hashed_server_seed was shown.")
    hashed_server_seed = CommitmentField(required=False)

    def validate(self, order: dict[str, Any]) -> dict[str, Any]:
        if "client_seed" in order and "hashed_server_seed" not in order:
            raise serializers.ValidationError({"hashed_server_seed": ["Is required with client_seed."]})
        return order


class StepSerializer(StrictSerializer):
    bet_id = StrictIntegerField(min_value=1, max_value=MAX_BIGINT)
    step = StrictIntegerField(min_value=-MAX_BIGINT, max_value=MAX_BIGINT)


class CashOutSerializer(StrictSerializer):
    bet_id = StrictIntegerField(min_value=1, max_value=MAX_BIGINT)
