"""Guests: accounts without a password, made at the first bet."""

import hashlib
import hmac
import secrets
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction

from cachecore.rate_limits import callers
from games.play.clock import database_now
from games.play.errors import TooManyGuests
from games.play.models import HOUSE, Agent, Player

PER_ADDRESS_AND_HOUR = 5
IN_ALL = 10_000
HOUR = timedelta(hours=1)


@transaction.atomic
def create_guest(*, address: str) -> User:
    """Create a guest with an unusable password. `address` is the client's identity, as in rate limits.

    Raise TooManyGuests if the address or the site has had enough. The house's row is locked, so that guests who come
    at once are counted one after the other.
    """
    Agent.objects.select_for_update(no_key=True).get(code=HOUSE)
    digest = _digest(address)
    guests = Player.objects.filter(is_guest=True)
    recent = guests.filter(address_digest=digest, created_at__gt=database_now() - HOUR).count()
    most = PER_ADDRESS_AND_HOUR * (callers.SHARED_FACTOR if callers.is_shared(address) else 1)
    if recent >= most or guests.filter(user__is_active=True).count() >= IN_ALL:
        raise TooManyGuests
    user = User(username=f"guest-{secrets.token_hex(8)}")
    user.set_unusable_password()
    user.save()
    Player.objects.create(user=user, is_guest=True, address_digest=digest)
    return user


def _digest(address: str) -> str:
    """Return a keyed digest: a leaked table does not tell who came from where."""
    return hmac.digest(settings.SECRET_KEY.encode(), f"play guest {address}".encode(), hashlib.sha256).hex()
