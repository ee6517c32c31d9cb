from django.urls import path

from analytics import views

urlpatterns = [
    path("occurrences/", views.OccurrencesView.as_view(), name="occurrences"),
    path("intervals/", views.IntervalsView.as_view(), name="intervals"),
    path("game-sets/", views.GameSetsView.as_view(), name="game-sets"),
    path("series/", views.SeriesView.as_view(), name="series"),
    path("last-games/", views.LastGamesView.as_view(), name="last-games"),
    path("distribution/", views.DistributionView.as_view(), name="distribution"),
    path("volatility/", views.VolatilityView.as_view(), name="volatility"),
    path("audit/", views.AuditView.as_view(), name="audit"),
    path("status/", views.StatusView.as_view(), name="analytics-status"),
]
