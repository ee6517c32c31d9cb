"""Permissions: anonymous clients reach the public pages only; staff reach what their permissions allow."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User

from cachecore import operations, versions
from cachecore.redis_client import connections
from cachecore.responses import caching
from games.keys import GAMES, GAMES_LIST, GAMES_SINGLE
from games.services import record_games
from tests import chains
from tests.routes import paths_under
from tests.web.html import page

pytestmark = pytest.mark.django_db

LOGIN = "/admin/login/"
OPEN = {LOGIN, "/admin/logout/", "/admin/jsi18n/"}  # login, logout, and the names of months
SAMPLES = {"app_label": "games", "verb": "clear", "name": "games-list", "url": "anything/"}


@pytest.mark.parametrize("method", ["get", "post"])
def test_an_anonymous_client_is_redirected_from_every_page_of_the_admin_to_the_login(client, method):
    paths = [path for path in paths_under("/admin/", SAMPLES) if path not in OPEN]
    assert len(paths) > 30
    for path in paths:
        response = getattr(client, method)(path)
        found = (response.status_code, response.get("Location", "").partition("?")[0])
        assert found in {(302, LOGIN), (301, path + "/")}, (path, found)
    assert not LogEntry.objects.exists()


def test_the_login_page_links_to_no_page_of_the_admin(client):
    found = page(client.get(LOGIN))
    assert not [link for link in found.links() if link.startswith("/admin/") and link != "/admin/"]


@pytest.mark.parametrize("path", ["/", "/games/", f"/games/{chains.BCGAME_LAST}/", "/verify/", "/healthz", "/readyz"])
def test_public_pages_are_public_and_do_not_mention_the_admin(client, path):
    record_games(chains.bcgame_rounds(3), source="test")
    response = client.get(path)
    assert response.status_code == 200
    assert "/admin" not in response.content.decode()


@pytest.fixture
def staff(client):
    def with_permissions(*codenames):
        user = User.objects.create(username="clerk", is_staff=True)
        user.user_permissions.add(*Permission.objects.filter(codename__in=codenames))
        client.force_login(user)
        return client

    return with_permissions


def button_paths() -> list[str]:
    """Return the path of every button: each verb of each page with each name that it accepts."""
    view = [f"/admin/analytics/liveview/{verb}/view/" for verb in ("apply", "reconcile", "check", "rebuild")]
    cache = [f"/admin/cachecore/cache/clear/{name}/" for name in operations.clearable_families()]
    cache += [f"/admin/cachecore/cache/bump/{name}/" for name in versions.namespaces]
    cache += [f"/admin/cachecore/cache/{verb}/{name}/" for verb in ("on", "off") for name in caching.policies]
    return [*view, *cache, "/admin/cachecore/cache/warm/all/"]


def test_users_who_may_only_view_get_no_buttons_and_cannot_use_them(staff):
    client = staff("view_liveview", "view_cache", "view_game")
    keys, version = fill(), versions.raise_version(GAMES)
    for path in ("/admin/", "/admin/analytics/liveview/", "/admin/cachecore/cache/"):
        response = client.get(path)
        assert response.status_code == 200
        assert not {link for link in page(response).links() if link in button_paths()}, path
        assert "clear/" not in response.content.decode()
    for path in button_paths():
        assert client.get(path).status_code == 403, path
        assert client.post(path).status_code == 403, path
    assert not LogEntry.objects.exists()
    with connections.guarded_client("cache") as redis:
        assert redis.exists(*keys) == len(keys)
    assert versions.current(GAMES) == version


def test_a_permission_for_the_live_view_is_none_for_the_cache(staff):
    client = staff("view_liveview", "change_liveview")
    assert client.get("/admin/analytics/liveview/rebuild/view/").status_code == 200
    for path in button_paths():
        if "/cachecore/" in path:
            assert client.post(path).status_code == 403, path


def fill() -> list[str]:
    """Store a key of each family that a button could clear; return the keys."""
    keys = [GAMES_LIST.key(parameters="page:1", version=1), GAMES_SINGLE.key(parameters="id:1", version=1)]
    with connections.guarded_client("cache") as redis:
        for key in keys:
            redis.set(key, "kept")
    return keys
