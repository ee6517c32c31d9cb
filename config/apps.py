from django.apps import AppConfig


class ConfigApp(AppConfig):
    """Makes the project's own command, `manage.py stack`, findable."""

    name = "config"
    verbose_name = "Crash Monitor"
