from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from tests import servers


def test_the_tests_run_under_their_own_settings_on_their_own_servers():
    assert settings.SETTINGS_MODULE == "config.settings.test"
    assert {cache["LOCATION"] for cache in settings.CACHES.values()} == {servers.valkey.url}
    assert servers.valkey.url == settings.BROKER_URL
    assert servers.directory == settings.DATA_DIR


@pytest.mark.django_db
def test_the_database_is_one_that_another_process_can_open():
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            assert cursor.execute("PRAGMA journal_mode").fetchone() == ("wal",)
            file = cursor.execute("PRAGMA database_list").fetchone()[2]
        assert Path(file).is_file()
    else:
        assert connection.vendor == "postgresql"
        assert connection.settings_dict["HOST"].startswith("/")
