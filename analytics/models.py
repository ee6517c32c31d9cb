from django.db import models


class LiveView(models.Model):
    """No table: it gives the admin page its place, its permissions and its log."""

    class Meta:
        managed = False
        default_permissions = ("view", "change")
        verbose_name = "live view"
        verbose_name_plural = "live view"

    def __str__(self) -> str:
        return "live view"
