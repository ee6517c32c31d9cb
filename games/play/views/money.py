"""A player's money."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from games.play.currencies import FUN
from games.play.errors import NotFound
from games.play.selectors.money import balance_of, entries_of, entry, transaction_of
from games.play.serializers.money import (
    BalanceSerializer,
    EntryPageSerializer,
    TopUpOrderSerializer,
    TopUpSerializer,
    TransactionSerializer,
)
from games.play.services.topups import top_up
from games.play.views.base import PlayView, respond
from games.play.views.parameters import IDEMPOTENCY_KEY
from games.query import EmptyQuery, Query, WholeField, ZoneQuery


class CurrencyQuery(EmptyQuery):
    currency = serializers.CharField(max_length=3, default=FUN)


class EntriesQuery(Query):
    page = WholeField(min_value=1, max_value=1_000, default=1)
    per_page = WholeField(min_value=1, max_value=100, default=20)


class BalanceView(PlayView):
    """The balance in one currency, and what is in play."""

    error_statuses = {"GET": [409]}

    @extend_schema(operation_id="play_balance", parameters=[CurrencyQuery], responses=BalanceSerializer)
    def get(self, request: Request) -> Response:
        currency = CurrencyQuery.of(request).validated_data["currency"]
        return Response(BalanceSerializer(balance_of(self.caller, currency)).data)


class TopUpView(PlayView):
    """More play money, once a day while the balance is low."""

    error_statuses = {"POST": [409, 422]}

    @extend_schema(
        operation_id="play_topup",
        parameters=[IDEMPOTENCY_KEY],
        request=TopUpOrderSerializer,
        responses={201: TopUpSerializer},
    )
    def post(self, request: Request) -> Response:
        self.validated(request, TopUpOrderSerializer)
        return respond(top_up(caller=self.caller, request=self.request_key(request)))


class TransactionsView(PlayView):
    """Every movement of the caller's money, newest first."""

    @extend_schema(operation_id="play_transactions", parameters=[EntriesQuery], responses=EntryPageSerializer)
    def get(self, request: Request) -> Response:
        query = EntriesQuery.of(request)
        with timezone.override(query.zone):
            return Response(EntryPageSerializer(self._page(query)).data)

    def _page(self, query: EntriesQuery) -> dict[str, Any]:
        page, per_page = query.validated_data["page"], query.validated_data["per_page"]
        entries = entries_of(self.caller)
        count = entries.count()
        pages = max(1, -(-count // per_page))
        if page > pages:
            raise NotFound(f"There are {pages} pages.")
        return {
            "count": count,
            "page": page,
            "per_page": per_page,
            "pages": pages,
            "next": f"?page={page + 1}&per_page={per_page}" if page < pages else None,
            "previous": f"?page={page - 1}&per_page={per_page}" if page > 1 else None,
            "results": [entry(one) for one in entries[(page - 1) * per_page : page * per_page]],
        }


class TransactionView(PlayView):
    """All that happened under one transaction id."""

    @extend_schema(operation_id="play_transaction", parameters=[ZoneQuery], responses=TransactionSerializer)
    def get(self, request: Request, transaction_id: str) -> Response:
        with timezone.override(ZoneQuery.of(request).zone):
            return Response(TransactionSerializer(transaction_of(self.caller, transaction_id)).data)
