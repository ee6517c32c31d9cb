"""A player's money."""

from typing import Any

from rest_framework import serializers

from games.play.currencies import CURRENCIES
from games.play.models import TransferKind
from games.play.selectors.money import Balance, Entry, TransactionView
from games.play.serializers.fields import MoneyField, StrictSerializer, TimeField


class BalanceSerializer(serializers.Serializer[Balance]):
    agent = serializers.CharField()
    currency = serializers.CharField()
    balance = MoneyField()
    in_play = MoneyField(help_text="The stake of the open bet.")


class TopUpOrderSerializer(StrictSerializer):
    """An empty object."""


class TopUpSerializer(serializers.Serializer[Any]):
    agent = serializers.CharField()
    currency = serializers.ChoiceField(list(CURRENCIES))
    amount = MoneyField()
    balance = MoneyField()
    transaction_id = serializers.CharField()


class EntrySerializer(serializers.Serializer[Entry]):
    id = serializers.IntegerField()
    transaction_id = serializers.CharField()
    kind = serializers.ChoiceField(TransferKind.choices)
    currency = serializers.CharField()
    amount = MoneyField(help_text="Negative where money left the balance.")
    bet_id = serializers.IntegerField(allow_null=True)
    created_at = TimeField()


class EntryPageSerializer(serializers.Serializer[Any]):
    count = serializers.IntegerField()
    page = serializers.IntegerField()
    per_page = serializers.IntegerField()
    pages = serializers.IntegerField()
    next = serializers.CharField(allow_null=True, help_text="Relative link.")
    previous = serializers.CharField(allow_null=True, help_text="Relative link.")
    results = EntrySerializer(many=True)


class TransactionSerializer(serializers.Serializer[TransactionView]):
    transaction_id = serializers.CharField()
    bet_id = serializers.IntegerField(allow_null=True)
    status = serializers.ChoiceField(["accepted", "pending", "refused", "failed"])
    entries = EntrySerializer(many=True)
