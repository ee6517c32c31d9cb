"""The admin in a browser: it works under the strict policy, on a phone, in both schemes and with a screen reader."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

PAGES = ["", "analytics/liveview/", "analytics/liveview/rebuild/view/", "cachecore/cache/", "games/game/"]
FORM = "games/game/{}/change/"


@pytest.fixture
def admin(visit, base, signed_in):
    """Return a function that opens a page of the admin as a superuser."""
    return lambda path, **options: visit(f"{base}/admin/{path}", storage_state=signed_in, **options)


def test_the_overview_links_to_the_view_and_an_action_is_confirmed_run_and_logged(admin, base):
    page = admin("")
    expect(page.locator("[data-fact=view]")).to_have_text("current")
    expect(page.locator("[data-fact=games-last-hour]")).to_have_text(re.compile(r"^[1-9]\d*$"))
    page.locator("#overview").get_by_role("link", name="Live view").click()
    page.get_by_role("link", name="Reconcile").click()
    expect(page.locator("h1")).to_have_text("Reconcile the whole view?")
    page.get_by_role("button", name="Yes, do it").click()
    expect(page.locator(".messagelist")).to_contain_text("Queued for a worker: reconcile")
    page.goto(f"{base}/admin/")
    expect(page.locator(".actionlist")).to_contain_text("view")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES[:4])
def test_axe_finds_nothing_in_our_pages_of_the_admin(admin, path, scheme):
    found = Axe().run(admin(path, color_scheme=scheme)).response["violations"]
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == []


@pytest.mark.parametrize("path", PAGES[:4])
def test_our_pages_of_the_admin_fit_a_phone(admin, path):
    page = admin(path, viewport={"width": 360, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == 360


@pytest.mark.parametrize("path", [*PAGES[:4], "games/game/"])
@pytest.mark.parametrize("width", [1280, 1440])
def test_no_button_is_cut_off_next_to_the_list_of_models(admin, path, width):
    page = admin(path, viewport={"width": width, "height": 900})
    for module in page.locator("#content .module, #content .results").all():
        assert module.evaluate("(one) => one.scrollWidth <= one.clientWidth"), module.inner_text()


def test_djangos_own_scripts_work_under_the_strict_policy(admin, base, rounds):
    """What the policy forbids appears as an error in the console, and `visit` allows none."""
    page = admin("games/game/")
    page.locator("#action-toggle").check()
    expect(page.locator(".action-counter")).to_contain_text("100 of 100 selected")
    page.goto(f"{base}/admin/{FORM.format(rounds[0].game_id)}")
    page.locator(".datetimeshortcuts a").first.click()
    page.locator("#calendarlink0").click()
    expect(page.locator("#calendarbox0")).to_be_visible()
    page.goto(f"{base}/admin/games/game/{rounds[0].game_id}/delete/")
    expect(page.get_by_role("button", name=re.compile("^Yes"))).to_be_visible()
