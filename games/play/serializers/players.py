"""A player: seeds, guest, limits."""

from typing import Any

from rest_framework import serializers

from games.play.models import Seeds
from games.play.serializers.fields import MoneyField, StrictIntegerField, StrictSerializer, TimeField
from games.play.serializers.sessions import ClientSeedField
from games.query import InstantField

MINUTES_PER_DAY = 24 * 60


class SeedsSerializer(serializers.Serializer[Seeds]):
    """The seeds of the next bet; while a bet is open, those of that bet."""

    agent = serializers.CharField(source="agent.code")
    hashed_server_seed = serializers.CharField(source="commitment")
    commitment_shown_at = TimeField()
    client_seed = serializers.SerializerMethodField()
    client_seed_set_at = TimeField(allow_null=True)
    nonce = serializers.IntegerField()

    def get_client_seed(self, seeds: Seeds) -> str | None:
        """Return the client seed, or null unless the player has set it."""
        return seeds.client_seed or None


class ClientSeedOrderSerializer(StrictSerializer):
    client_seed = ClientSeedField()


class GuestOrderSerializer(StrictSerializer):
    """An empty object."""


class GuestSerializer(serializers.Serializer[Any]):
    username = serializers.CharField()
    is_guest = serializers.BooleanField()


class MoneyLimitSerializer(serializers.Serializer[Any]):
    value = MoneyField(allow_null=True, help_text="null: no limit.")
    next_value = MoneyField(allow_null=True, help_text="A looser value that waits; null with next_from: no limit.")
    next_from = TimeField(allow_null=True)


class MinutesLimitSerializer(serializers.Serializer[Any]):
    value = serializers.IntegerField(allow_null=True, help_text="null: no limit.")
    next_value = serializers.IntegerField(allow_null=True)
    next_from = TimeField(allow_null=True)


class TodaySerializer(serializers.Serializer[Any]):
    staked = MoneyField()
    returned = MoneyField()
    net = MoneyField()
    time_played_s = serializers.IntegerField()


class LimitsSerializer(serializers.Serializer[Any]):
    currency = serializers.CharField()
    stake_per_day = MoneyLimitSerializer()
    loss_per_day = MoneyLimitSerializer()
    minutes_per_day = MinutesLimitSerializer(help_text="Over all currencies.")
    pause_until = TimeField(allow_null=True)
    self_exclusion_until = TimeField(allow_null=True)
    today = TodaySerializer()


class LimitChangesSerializer(StrictSerializer):
    """What is missing stays as it is. null removes a limit, after 24 hours."""

    currency = serializers.CharField(max_length=3, required=False)
    stake_per_day = MoneyField(required=False, allow_null=True)
    loss_per_day = MoneyField(required=False, allow_null=True)
    minutes_per_day = StrictIntegerField(min_value=0, max_value=MINUTES_PER_DAY, required=False, allow_null=True)
    pause_until = InstantField(required=False)
    self_exclusion_until = InstantField(required=False)
