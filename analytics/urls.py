from django.urls import path

from analytics import views

urlpatterns = [
    path("occurrences/", views.OccurrencesView.as_view(), name="occurrences"),
    path("intervals/", views.IntervalsView.as_view(), name="intervals"),
    path("status/", views.StatusView.as_view(), name="analytics-status"),
]
