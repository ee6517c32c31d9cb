"""The pages while the database is unavailable, in a real web server."""

import socket
import threading
from contextlib import contextmanager

import pytest
from django.db import OperationalError, connection

from analytics import services
from games.models import Game
from games.services import record_games
from tests import chains
from tests.processes import status_of, web_server
from tests.web.html import Page
from web.database_unavailable import at_most_one_timeout

pytestmark = pytest.mark.django_db(transaction=True)

NO_DATABASE = "postgres://user@127.0.0.1:1/nothing"


@contextmanager
def hung_database():
    """Accept every connection and never respond; yield the URL and the list of accepted connections."""
    accepted = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept():
            try:
                while True:
                    accepted.append(server.accept()[0])
            except OSError:
                return

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield f"postgres://user@127.0.0.1:{server.getsockname()[1]}/nothing", accepted
        finally:
            server.shutdown(socket.SHUT_RDWR)
            for one in accepted:
                one.close()


def test_without_the_database_the_dashboard_shows_what_the_view_holds(tmp_path):
    record_games(chains.bcgame_rounds(50), source="test")
    services.apply_pending()
    with web_server(tmp_path / "log", DATABASE_URL=NO_DATABASE) as base:
        status, body, _ = status_of(f"{base}/")
        found = Page(body)
        assert status == 200
        assert "Database unavailable what is shown comes from the live view" in found.text
        assert found.text.count("This panel needs the database, which is unavailable.") == 2  # last games and fairness
        assert [row[0] for row in found.rows if row and row[0].startswith("at least 2\N{MULTIPLICATION SIGN}")]
        assert "Share of the last 50 games" in found.text


@pytest.mark.parametrize("path", ["/games/", "/games/5900000/", "/panels/fairness.csv"])
def test_without_the_database_a_page_that_needs_it_lists_what_still_works(tmp_path, path):
    with web_server(tmp_path / "log", DATABASE_URL=NO_DATABASE) as base:
        status, body, headers = status_of(f"{base}{path}")
        assert (status, headers["retry-after"]) == (503, "5")
        found = Page(body)
        assert "The database is unavailable" in found.text
        assert {"/", "/verify/", "/readyz"} <= set(found.links())
        assert status_of(f"{base}/verify/")[0] == 200


def test_without_database_and_view_the_dashboard_is_unavailable(tmp_path):
    with web_server(tmp_path / "log", DATABASE_URL=NO_DATABASE) as base:
        status, body, headers = status_of(f"{base}/")
        assert (status, headers["retry-after"]) == (503, "5")
        assert "The database is unavailable" in Page(body).text


def test_a_database_that_hangs_costs_a_page_one_timeout_not_one_per_panel(tmp_path):
    record_games(chains.bcgame_rounds(50), source="test")
    services.apply_pending()
    with hung_database() as (url, accepted), web_server(tmp_path / "log", DATABASE_URL=url) as base:
        status, body, _ = status_of(f"{base}/")
        assert (status, len(accepted)) == (200, 1)
        assert Page(body).text.count("This panel needs the database, which is unavailable.") == 2
        assert (status_of(f"{base}/panels/fairness.csv")[0], len(accepted)) == (503, 2)
        assert (status_of(f"{base}/games/5900000/")[0], len(accepted)) == (503, 3)


@pytest.mark.django_db
def test_after_a_failed_statement_no_other_is_sent_and_the_connection_is_left_unchanged():
    ran = []

    def fails(execute, sql, params, many, context):
        ran.append(sql)
        raise OperationalError("gone")

    connect = connection.connect
    with at_most_one_timeout(), connection.execute_wrapper(fails):
        for reason in ("gone", "The database failed a moment ago.", "The database failed a moment ago."):
            with pytest.raises(OperationalError, match=reason):
                Game.objects.count()
    assert len(ran) == 1
    assert connection.connect == connect
    assert Game.objects.count() == 0
