"""Authorization with access tokens, through the API."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.factories.tokens import authorization, token_for
from tokens import services
from tokens.models import AccessToken

pytestmark = pytest.mark.django_db

GAME = {"game_id": 1, "crash_point": 2}
STATS = "/api/admin/monitoring/cache/stats/"


@pytest.fixture
def feeder():
    user = User.objects.create(username="feeder")
    user.user_permissions.add(Permission.objects.get(codename="ingest_games"))
    return user


def post(client, header):
    return client.post("/api/games/", GAME, "application/json", headers={"Authorization": header})


def refusal(response):
    return response.status_code, response.json()["detail"]


def test_a_token_with_the_scope_of_a_user_with_the_permission_is_accepted(client, feeder):
    assert post(client, authorization(feeder, "ingest")).status_code == 201


def test_a_scope_only_narrows_the_users_permissions(client):
    stranger = User.objects.create(username="stranger")
    assert post(client, authorization(stranger, "ingest")).status_code == 403
    admin = User.objects.create_superuser("admin")
    assert refusal(post(client, authorization(admin, "monitoring"))) == (403, "This token lacks the scope 'ingest'.")


def test_each_scope_opens_its_own_views_only(client):
    admin = User.objects.create_superuser("admin")
    for scope, status in (("monitoring", 200), ("ingest", 403)):
        response = client.get(STATS, headers={"Authorization": authorization(admin, scope)})
        assert (scope, response.status_code) == (scope, status)


@pytest.mark.parametrize(
    "header",
    [
        "Token cmt_unknown",
        "Token caf\u00e9",
        "Token \x00",
        f"Token {'0' * 40}",
    ],
)
def test_an_unknown_token_is_a_401(client, header):
    assert post(client, header.encode().decode("latin-1")).status_code == 401


@pytest.mark.parametrize("header", ["Token", "Token a b"])
def test_a_malformed_header_is_a_401(client, header):
    assert post(client, header).status_code == 401


def test_an_expired_token_is_a_401(client, feeder):
    text = token_for(feeder, "ingest", expires_at=timezone.now() + timedelta(hours=1))
    assert post(client, f"Token {text}").status_code == 201
    AccessToken.objects.update(expires_at=timezone.now())
    assert refusal(post(client, f"Token {text}")) == (401, "Invalid or expired token.")


def test_a_token_of_an_inactive_user_is_a_401(client, feeder):
    header = authorization(feeder, "ingest")
    User.objects.update(is_active=False)
    assert refusal(post(client, header)) == (401, "Invalid or expired token.")


def test_the_last_use_is_written_once_a_minute_at_most(client, feeder):
    header = authorization(feeder, "ingest")
    assert AccessToken.objects.get().last_used_at is None
    post(client, header)
    first = AccessToken.objects.get().last_used_at
    assert abs(timezone.now() - first) < timedelta(minutes=1)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        post(client, header)
    assert not [query for query in queries if query["sql"].startswith("UPDATE")]
    assert AccessToken.objects.get().last_used_at == first
    AccessToken.objects.update(last_used_at=first - timedelta(seconds=61))
    post(client, header)
    assert AccessToken.objects.get().last_used_at > first


def test_the_table_holds_no_token(feeder):
    text = token_for(feeder, "ingest")
    row = AccessToken.objects.values().get()
    assert text not in str(row)
    assert row["prefix"] == text[:8]
    assert row["digest"] == services.digest_of(text)


def test_tokens_differ_and_are_long(feeder):
    texts = {services.new_text() for _ in range(100)}
    assert len(texts) == 100
    assert all(text.startswith("cmt_") and len(text) == 47 for text in texts)


def test_a_token_expires_at_its_moment(feeder):
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    assert AccessToken(expires_at=moment).is_expired
    assert not AccessToken(expires_at=None).is_expired
