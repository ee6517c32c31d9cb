from django.urls import path, register_converter
from django.urls.converters import IntConverter

from games.play.views import bets, money, players, public, sessions


class BetIdConverter(IntConverter):
    """A number that fits the column."""

    regex = "[0-9]{1,18}"


register_converter(BetIdConverter, "bet_id")

urlpatterns = [
    path("config/", public.ConfigurationView.as_view(), name="play-config"),
    path("audit/", public.AuditView.as_view(), name="play-audit"),
    path("guest/", players.GuestView.as_view(), name="play-guest"),
    path("balance/", money.BalanceView.as_view(), name="play-balance"),
    path("topup/", money.TopUpView.as_view(), name="play-topup"),
    path("transactions/", money.TransactionsView.as_view(), name="play-transactions"),
    path("transactions/<str:transaction_id>/", money.TransactionView.as_view(), name="play-transaction"),
    path("seeds/", players.SeedsView.as_view(), name="play-seeds"),
    path("bets/", bets.BetsView.as_view(), name="play-bets"),
    path("bets/<bet_id:bet_id>/", bets.BetView.as_view(), name="play-bet"),
    path("bets/<bet_id:bet_id>/verification/", bets.VerificationView.as_view(), name="play-verification"),
    path("session/", sessions.SessionView.as_view(), name="play-session"),
    path("session/step/", sessions.StepView.as_view(), name="play-step"),
    path("session/cashout/", sessions.CashOutView.as_view(), name="play-cashout"),
    path("limits/", players.LimitsView.as_view(), name="play-limits"),
]
