from django.contrib import admin
from django.shortcuts import redirect
from django.templatetags.static import static
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from analytics.stream.views import StreamView
from cachecore import metrics
from config import health
from web import service_worker

urlpatterns = [
    path("api/", include("games.urls")),
    path("api/analytics/", include("analytics.urls")),
    path("api/play/", include("games.play.urls")),
    path("api/stream/", StreamView.as_view(), name="stream"),
    path("api/admin/monitoring/cache/", include("cachecore.api.urls")),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/", RedirectView.as_view(pattern_name="docs")),
    path("api/docs/", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="docs"),
    path("admin/", admin.site.urls),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("metrics", metrics.metrics),
    path(
        "favicon.ico", lambda request: redirect(static("site/favicon.svg"))
    ),  # for responses without a <link>, such as JSON
    path("service-worker.js", service_worker.service_worker, name="service-worker"),
    path("", include("web.game_pages.urls")),
    path("", include("web.dashboard.urls")),
]

handler400 = "web.errors.bad_request"
handler404 = "web.errors.not_found"
handler500 = "web.errors.server_error"
