import atexit
import gc

from django.apps import AppConfig


class ConfigApp(AppConfig):
    """The project's own commands, and its Celery application in every process that runs Django."""

    name = "config"
    verbose_name = "Crash Monitor"

    def ready(self) -> None:
        # Without it `task.delay()` would use Celery's default application, which knows no broker.
        from config import celery  # noqa: F401

        # At its end the interpreter would search the whole heap for garbage: half a second of CPU that ends nothing.
        atexit.register(gc.freeze)
