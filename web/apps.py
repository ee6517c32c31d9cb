from django.apps import AppConfig


class WebConfig(AppConfig):
    """Everything a browser sees. First in INSTALLED_APPS: its admin/base_site.html overrides Django's."""

    name = "web"
    verbose_name = "Website"

    def ready(self) -> None:
        from django.contrib import admin

        from web.dashboard import keys  # noqa: F401

        admin.site.site_header = admin.site.site_title = "Crash Monitor"
        admin.site.index_title = "Overview"
        admin.site.index_template = "site_admin/index.html"
