from django.apps import AppConfig


class ConfigApp(AppConfig):
    """The project's own commands, and its Celery application in every process that runs Django."""

    name = "config"
    verbose_name = "Crash Monitor"

    def ready(self) -> None:
        # Without it `task.delay()` would use Celery's default application, which knows no broker.
        from config import celery  # noqa: F401
