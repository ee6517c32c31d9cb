from django.db import models


class LiveView(models.Model):
    """A model without a table. The admin page of the live view takes its URL, permissions and log entries from it."""

    class Meta:
        managed = False
        default_permissions = ("view", "change")
        verbose_name = "live view"
        verbose_name_plural = "live view"

    def __str__(self) -> str:
        return "live view"
