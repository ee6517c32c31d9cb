"""What the pages say when a server is away, in a web server as it runs."""

import pytest

from analytics import services
from games.services import record_games
from tests import chains
from tests.pages.html import Page
from tests.pages.processes import status_of, web_server

pytestmark = pytest.mark.django_db(transaction=True)

NO_DATABASE = "postgres://nobody@127.0.0.1:1/nothing"


def test_without_the_database_the_dashboard_shows_what_the_view_knows(tmp_path):
    record_games(chains.bcgame_rounds(50), source="test")
    services.apply_pending()
    with web_server(tmp_path / "log", DATABASE_URL=NO_DATABASE) as base:
        status, body, _ = status_of(f"{base}/")
        found = Page(body)
        assert status == 200
        assert "Database away what is shown comes from the live view" in found.text
        assert found.text.count("This needs the database, which does not answer now.") == 2  # last games and fairness
        assert [row[0] for row in found.rows if row and row[0].startswith("at least 2\N{MULTIPLICATION SIGN}")]
        assert "Share of the last 50 games" in found.text


@pytest.mark.parametrize("path", ["/games/", "/games/5900000/", "/panels/fairness.csv"])
def test_without_the_database_a_page_that_needs_it_says_what_still_works(tmp_path, path):
    with web_server(tmp_path / "log", DATABASE_URL=NO_DATABASE) as base:
        status, body, headers = status_of(f"{base}{path}")
        assert (status, headers["retry-after"]) == (503, "5")
        found = Page(body)
        assert "The database does not answer now" in found.text
        assert {"/", "/verify/", "/readyz"} <= set(found.links())
        assert status_of(f"{base}/verify/")[0] == 200


def test_without_database_and_view_the_dashboard_is_unavailable(tmp_path):
    with web_server(tmp_path / "log", DATABASE_URL=NO_DATABASE) as base:
        status, body, headers = status_of(f"{base}/")
        assert (status, headers["retry-after"]) == (503, "5")
        assert "The database does not answer now" in Page(body).text
