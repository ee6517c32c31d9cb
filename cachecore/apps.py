from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class CachecoreConfig(AppConfig):
    name = "cachecore"
    verbose_name = "Cache"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from cachecore import checks  # noqa: F401

        # Clearing, docs/keys.md and the admin need every family, even if this process has not imported what uses it.
        autodiscover_modules("keys")
