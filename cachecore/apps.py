from django.apps import AppConfig


class CachecoreConfig(AppConfig):
    name = "cachecore"
    verbose_name = "Cache"

    def ready(self) -> None:
        from cachecore import checks  # noqa: F401
