"""Create, find and revoke access tokens."""

import hashlib
import logging
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import DatabaseError, transaction
from django.db.models import Q
from django.utils import timezone

from tokens.models import AccessToken

logger = logging.getLogger(__name__)

MARK = "cmt_"  # lets secret scanners and people recognise a token
RANDOM_BYTES = 32
PREFIX_LENGTH = 8
LAST_USE_EVERY = timedelta(minutes=1)


def create_token(
    *, user: User, name: str, scopes: Iterable[str], expires_at: datetime | None = None
) -> tuple[AccessToken, str]:
    """Create a token and return it with its text, which cannot be had again. Raises ValidationError."""
    text = new_text()
    token = AccessToken(user=user, name=name, scopes=sorted(set(scopes)), expires_at=expires_at)
    set_text(token, text)
    token.full_clean()
    token.save()
    return token, text


def new_text() -> str:
    """Return the text of a new token."""
    return MARK + secrets.token_urlsafe(RANDOM_BYTES)


def set_text(token: AccessToken, text: str) -> None:
    """Store what identifies the text: its digest and its first characters."""
    token.digest = digest_of(text)
    token.prefix = text[:PREFIX_LENGTH]


def digest_of(text: str) -> str:
    """Return the SHA-256 of a token's text.

    A plain hash is enough: the text has 256 random bits, which nobody can guess. Looking it up by an index of digests
    also leaves no comparison of secrets whose duration could be measured.
    """
    return hashlib.sha256(text.encode()).hexdigest()


def find(text: str) -> AccessToken | None:
    """Return the token with this text, its user loaded, or None if there is none or it has expired."""
    token = AccessToken.objects.select_related("user").filter(digest=digest_of(text)).first()
    return None if token is None or token.is_expired else token


def note_use(token: AccessToken) -> None:
    """Store when the token was last used, at most once a minute. A failing write never fails the request."""
    now = timezone.now()
    stale = Q(last_used_at=None) | Q(last_used_at__lte=now - LAST_USE_EVERY)
    if token.last_used_at is not None and token.last_used_at > now - LAST_USE_EVERY:
        return
    try:
        with transaction.atomic():
            AccessToken.objects.filter(stale, pk=token.pk).update(last_used_at=now)
    except DatabaseError as error:  # a locked or read-only database may still answer the request
        logger.warning("The last use of token %s was not stored: %s", token.prefix, error)
