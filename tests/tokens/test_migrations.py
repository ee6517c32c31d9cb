"""Tokens of rest_framework.authtoken, stored in clear until now, are taken over."""

from datetime import UTC, datetime
from importlib import import_module

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import connection

from tokens import services
from tokens.models import AccessToken

migration = import_module("tokens.migrations.0002_hash_existing_tokens")

KEY = "0123456789abcdef0123456789abcdef01234567"
CREATED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def old_table(transactional_db):
    time = "datetime" if connection.vendor == "sqlite" else "timestamp with time zone"
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE authtoken_token (key varchar(40) PRIMARY KEY, user_id integer, created {time})")
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE authtoken_token")


def migrate():
    with connection.schema_editor() as schema_editor:
        migration.hash_tokens(apps, schema_editor)


def test_an_existing_token_keeps_working_and_is_in_clear_nowhere(old_table):
    user = User.objects.create(username="feeder")
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO authtoken_token VALUES (%s, %s, %s)", [KEY, user.pk, "2026-01-02 03:04:05+00:00"])
    migrate()
    token = services.find(KEY)
    assert (token.user, token.scopes, token.prefix, token.expires_at) == (user, ["ingest", "monitoring"], KEY[:8], None)
    assert token.created_at == CREATED
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM authtoken_token")
        assert cursor.fetchone() == (0,)


@pytest.mark.django_db
def test_a_new_installation_has_nothing_to_take_over():
    migrate_without_table = AccessToken.objects.count()
    migration.hash_tokens(apps, type("Editor", (), {"connection": connection}))
    assert (migrate_without_table, AccessToken.objects.count()) == (0, 0)
