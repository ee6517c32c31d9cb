"""Access tokens for the API. The table holds SHA-256 digests, so a leaked table or admin page reveals no token."""

from typing import ClassVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone

from tokens.scopes import SCOPES, unknown


def validate_scopes(names: list[str]) -> None:
    """Raise ValidationError unless `names` is a non-empty list of scopes."""
    if not isinstance(names, list) or not names:
        raise ValidationError("Choose at least one scope.")
    if wrong := unknown([str(name) for name in names]):
        raise ValidationError(f"Unknown scope: {', '.join(wrong)}. Known scopes: {', '.join(SCOPES)}.")


class AccessToken(models.Model):
    """A token of a user. `prefix` is the beginning of its text, by which people recognise it."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="access_tokens")
    name = models.CharField(max_length=80, help_text="The program or person that uses it.")
    prefix = models.CharField(max_length=12, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    scopes = models.JSONField(default=list, validators=[validate_scopes])
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Leave empty for a token that never expires.")
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering: ClassVar = ["user_id", "name"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["user", "name"],
                name="access_token_name_once_per_user",
                violation_error_message="This user already has a token of that name.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @property
    def is_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()
