"""Requests that must not be carried out twice, with the answers that a repetition gets."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class IdempotentRequest(models.Model):
    """One Idempotency-Key of a user. Without a status, the request is running.

    `bet_id` leads a job that resolves the bet to the request that waits for it.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 of agent, method, path and canonical body.")
    bet_id = models.BigIntegerField(null=True)
    status = models.PositiveSmallIntegerField(null=True)
    body = models.TextField(blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="play_request_key_once", fields=["user", "key"]),
            models.CheckConstraint(
                name="play_request_answered",
                condition=Q(status=None, body="") | (Q(status__isnull=False, status__gte=200) & ~Q(body="")),
            ),
        ]
        indexes = [
            models.Index(name="play_request_running", fields=["bet_id"], condition=Q(status=None)),
            models.Index(name="play_request_age", fields=["created_at"]),
        ]

    def __str__(self) -> str:
        return f"request {self.pk}: {self.status or 'running'}"
