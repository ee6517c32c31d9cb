import pytest
from django.contrib.auth.models import User

from games.play import errors
from games.play.models import Player
from games.play.services import guests
from games.play.services.guests import create_guest

pytestmark = pytest.mark.django_db


def test_a_guest_has_no_password_and_no_traceable_address():
    user = create_guest(address="ip:203.0.113.7")
    player = Player.objects.get()
    assert (user.has_usable_password(), user.username[:6], player.user, player.is_guest) == (
        False,
        "guest-",
        user,
        True,
    )
    assert len(player.address_digest) == 64
    assert "203.0.113.7" not in str(Player.objects.values().get())


def test_an_address_makes_five_guests_an_hour():
    for _ in range(5):
        create_guest(address="ip:203.0.113.7")
    with pytest.raises(errors.TooManyGuests) as refusal:
        create_guest(address="ip:203.0.113.7")
    assert (refusal.value.status, refusal.value.retry_after) == (429, 3600)
    create_guest(address="ip:203.0.113.8")
    assert User.objects.count() == 6


def test_an_hour_later_the_address_makes_guests_again():
    for _ in range(5):
        create_guest(address="ip:203.0.113.7")
    for player in Player.objects.all():
        player.created_at -= guests.HOUR
        player.save()
    create_guest(address="ip:203.0.113.7")


def test_there_are_so_many_guests_in_all(monkeypatch):
    monkeypatch.setattr(guests, "IN_ALL", 2)
    first = create_guest(address="ip:203.0.113.1")
    create_guest(address="ip:203.0.113.2")
    with pytest.raises(errors.TooManyGuests):
        create_guest(address="ip:203.0.113.3")
    first.is_active = False  # closed
    first.save()
    create_guest(address="ip:203.0.113.3")


def test_clients_behind_a_proxy_without_addresses_share_a_higher_limit():
    for _ in range(25):
        create_guest(address="proxy:203.0.113.9")
    with pytest.raises(errors.TooManyGuests):
        create_guest(address="proxy:203.0.113.9")
