from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from tokens import services
from tokens.models import AccessToken

pytestmark = pytest.mark.django_db


def run(*arguments, **options):
    out, err = StringIO(), StringIO()
    call_command("create_ingest_token", *arguments, stdout=out, stderr=err, **options)
    return out.getvalue(), err.getvalue()


def test_a_new_user_may_only_ingest_and_the_token_is_printed_alone():
    out, err = run("feeder")
    user = User.objects.get()
    assert services.find(out.strip()) == AccessToken.objects.get(user=user, name="ingest", scopes=["ingest"])
    assert err == "This is the token of feeder. Send it in the header: Authorization: Token <token>\n"
    assert user.get_all_permissions() == {"games.ingest_games"}
    assert (user.has_usable_password(), user.is_staff, user.is_superuser) == (False, False, False)


def test_an_existing_user_keeps_its_password():
    User.objects.create_user("feeder", password="secret")
    run("feeder")
    user = User.objects.get()
    assert user.check_password("secret")
    assert user.has_perm("games.ingest_games")


def test_a_token_is_shown_once():
    run("feeder")
    before = AccessToken.objects.get().digest
    with pytest.raises(CommandError) as error:
        run("feeder")
    assert str(error.value) == (
        "feeder already has a token, which was printed when it was created. "
        "Revoke it with --revoke to create a new one."
    )
    assert AccessToken.objects.get().digest == before


def test_revoking_takes_token_and_permission_and_a_new_one_differs():
    first, _ = run("feeder")
    assert run("feeder", revoke=True) == ("Revoked the token of feeder.\n", "")
    assert not AccessToken.objects.exists()
    assert not User.objects.get().has_perm("games.ingest_games")
    assert run("feeder")[0] != first


def test_there_must_be_something_to_revoke():
    with pytest.raises(CommandError, match=r"^nobody has no token\.$"):
        run("nobody", revoke=True)
    assert not User.objects.exists()


def test_an_invalid_name_creates_no_user():
    with pytest.raises(CommandError, match=r"^Invalid user name: Enter a valid username\."):
        run("two words")
    assert not User.objects.exists()


def test_a_user_that_is_not_active_gets_no_token():
    User.objects.create_user("feeder", is_active=False)
    with pytest.raises(CommandError, match=r"^The user feeder is not active, so its token would be rejected\.$"):
        run("feeder")
    assert not AccessToken.objects.exists()
    assert not User.objects.get().user_permissions.exists()
