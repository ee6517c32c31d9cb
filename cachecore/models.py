from django.db import models


class Cache(models.Model):
    """A model without a table: it gives the admin page its place, its permissions and its log."""

    class Meta:
        managed = False
        default_permissions = ("view", "change")
        verbose_name = "cache"
        verbose_name_plural = "statistics and controls"

    def __str__(self) -> str:
        return "cache"
