"""Authentication from the headers alone: which requests may send a body."""

import asyncio

import pytest
from django.contrib.auth.models import User

from config.serving.credentials import _authenticate, _session_key, is_authenticated
from tests.factories.tokens import token_for

pytestmark = pytest.mark.django_db


@pytest.fixture
def user():
    return User.objects.create_user("feed")


def test_a_valid_token_authenticates_in_any_case_of_its_scheme(user):
    token = token_for(user, "ingest")
    assert [_authenticate(f"{scheme} {token}", "") for scheme in ("Token", "token", "Bearer")] == [True, True, False]


def test_a_token_of_an_inactive_user_does_not(user):
    token = token_for(user, "ingest")
    assert _authenticate(f"Token {token}", "")
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert not _authenticate(f"Token {token}", "")


def test_the_session_of_a_user_authenticates_and_any_other_does_not(client, user):
    client.force_login(user)
    assert _authenticate("", client.session.session_key)
    client.logout()
    assert not _authenticate("", "x" * 32)
    assert not _authenticate("", "")


def test_the_session_is_found_among_other_cookies():
    assert _session_key("csrftoken=a; sessionid=b") == "b"
    assert _session_key("csrftoken=a") == ""
    assert _session_key("a[b]=c; sessionid=b") in ("", "b")


def test_headers_without_credentials_need_no_database(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert not asyncio.run(is_authenticated({"headers": [(b"cookie", b"csrftoken=a")]}))
