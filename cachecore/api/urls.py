"""URLs of the monitoring API, with and without the final slash: a DELETE cannot be redirected."""

from django.urls import re_path

from cachecore.api import views

urlpatterns = [
    re_path(r"^stats/?\Z", views.StatsView.as_view(), name="cache-stats"),
    re_path(r"^clear/?\Z", views.ClearView.as_view(), name="cache-clear"),
    re_path(r"^invalidate/(?P<tag>[\s\S]+?)/?\Z", views.InvalidateView.as_view(), name="cache-invalidate"),
]
