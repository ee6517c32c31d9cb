from django.urls import path

from web.dashboard import views

urlpatterns = [
    path("", views.page, name="dashboard"),
    path("panels/", views.panels, name="dashboard-panels"),
    path("panels/<slug:name>.csv", views.panel_csv, name="dashboard-sheet"),
]
