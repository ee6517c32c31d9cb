import atexit
import gc

from django.apps import AppConfig


class ConfigApp(AppConfig):
    """Provides the commands of the project, and its Celery application in every process that runs Django."""

    name = "config"
    verbose_name = "Crash Monitor"

    def ready(self) -> None:
        # Without this import `task.delay()` would use Celery's default application, which has no broker.
        from config import celery  # noqa: F401

        # At its end the interpreter would search the whole heap for garbage: half a second of CPU that ends nothing.
        atexit.register(gc.freeze)
