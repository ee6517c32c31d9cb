from django.urls import path

from analytics.endpoints.registry import VIEWS
from analytics.endpoints.status import StatusView

urlpatterns = [
    *(path(f"{view.url_name}/", view.as_view(), name=view.url_name) for view in VIEWS),
    path("status/", StatusView.as_view(), name="analytics-status"),
]
