from django.apps import AppConfig


class ConfigApp(AppConfig):
    """Makes the project's own commands (`manage.py stack`) findable, and gives admin its first page."""

    name = "config"
    verbose_name = "Crash Monitor"

    def ready(self) -> None:
        from django.contrib import admin

        admin.site.site_header = admin.site.site_title = "Crash Monitor"
        admin.site.index_title = "Overview"
        admin.site.index_template = "site_admin/index.html"
