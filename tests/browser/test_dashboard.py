"""The dashboard in a browser: filled at once, updated without a reload, correct after a lost connection."""

import urllib.request
from dataclasses import replace

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from analytics import services
from games.models import Game
from games.services import record_games
from tests.processes import free_port, web_server

LIVE = '[data-connection="live"]'
CHIPS = "[data-strip] [data-game]"
STATES = """() => {
  const shown = document.querySelector("[data-connection]");
  window.states = [];
  new MutationObserver(() => {
    const now = shown.dataset.connection;
    if (now !== "lost" || window.states.length) if (window.states.at(-1) !== now) window.states.push(now);
  }).observe(shown, { attributeFilter: ["data-connection"] });
}"""
SHIFT = """() => new Promise((done) => {
  let sum = 0;
  new PerformanceObserver((list) => { for (const one of list.getEntries()) sum += one.value; })
    .observe({ type: "layout-shift", buffered: true });
  setTimeout(() => done(sum), 500);
})"""


def ids(page) -> list[int]:
    return [int(chip.get_attribute("data-game")) for chip in page.locator(CHIPS).all()]


def until(page, condition: str) -> None:
    """Wait until a condition or its promise is true: `wait_for_function` needs `eval`, which the policy forbids."""
    check = f"const check = async () => (await ({condition})) ? done() : setTimeout(check, 50); check();"
    page.evaluate(f"() => new Promise((done) => {{ {check} }})")


def test_the_first_view_is_filled_and_live(visit, base, rounds):
    page = visit(base)
    assert ids(page) == [one.game_id for one in reversed(rounds[:300])][:44]
    expect(page.locator(LIVE)).to_have_text("Live")
    assert page.locator("[data-panel=conditions] tbody tr").count() == 11
    assert page.locator(".heat rect").count() == 144
    assert page.locator(".survival circle, .survival rect").count() > 15
    assert page.locator(".skyline rect").count() > 10


def test_without_javascript_the_tables_are_filled(visit, base):
    page = visit(f"{base}/?min=2", java_script_enabled=False)
    assert len(ids(page)) == 44
    assert page.locator("[data-panel=conditions] tbody tr").count() == 11
    page.locator("select[name=kind]").select_option("max")
    page.locator("input[name=value]").fill("1.5")
    page.get_by_role("button", name="Show").click()
    assert page.url == f"{base}/?max=1.5"
    assert page.locator("tr.chosen th").inner_text() == "at most 1.5\N{MULTIPLICATION SIGN}"


def test_new_games_appear_without_a_reload_and_are_announced(visit, base, play):
    page = visit(base)
    expect(page.locator(LIVE)).to_be_visible()
    page.evaluate("window.same = true")
    played = play(3)
    expect(page.locator(f"[data-latest='{played[-1]}']")).to_be_visible()
    expect(page.locator(f"{CHIPS} .mark.ok")).to_have_count(44)  # the verdicts came with the panels
    assert ids(page)[:3] == played[::-1]
    newest = Game.objects.get(game_id=played[-1])
    expect(page.locator(".latest-facts").first).to_have_text(f"game {newest.game_id}")
    expect(page.locator("[data-latest-time]")).to_have_text(f"{newest.end_time:%H:%M:%S} UTC")
    expect(page.locator("[data-latest-verdict]")).to_have_text("\N{CHECK MARK} verified by its hash")
    expect(page.locator("[data-announce]")).to_contain_text(f"Game {played[-1]}: ")
    assert "303" in page.locator("[data-panel=fairness]").inner_text()
    assert page.evaluate("window.same") is True


def test_a_lost_stream_is_shown_and_resumed_without_a_missing_game(visit, play, tmp_path):
    port = free_port()
    with web_server(tmp_path / "log", port) as address:
        page = visit(address)
        expect(page.locator(LIVE)).to_be_visible()
        before = play(2)
        expect(page.locator(f"[data-latest='{before[-1]}']")).to_be_visible()
    expect(page.locator("[data-connection=lost]")).to_contain_text("Reconnecting, data ")
    missed = play(5)
    with web_server(tmp_path / "log", port):
        expect(page.locator(LIVE)).to_be_visible(timeout=20_000)
        after = play(1)
        expect(page.locator(f"[data-latest='{after[-1]}']")).to_be_visible()
        expect(page.locator(f"{CHIPS} .mark.ok")).to_have_count(44)
        assert ids(page)[:8] == [*after, *missed[::-1], *before[::-1]]
        assert ids(page) == [*Game.objects.order_by("-game_id").values_list("game_id", flat=True)[:44]]
        page.goto("about:blank")
    assert any("ERR_" in error for error in visit.console_errors)  # the browser logs the lost connection
    visit.console_errors.clear()


def test_panels_that_could_not_be_fetched_are_fetched_again(visit, base, play):
    page = visit(base, service_workers="block")  # else its request bypasses the route
    expect(page.locator(LIVE)).to_be_visible()
    expect(page.locator(f"{CHIPS} .mark.ok")).to_have_count(44)
    page.route("**/panels/**", lambda route: route.fulfill(status=503, body="{}"), times=1)
    with page.expect_response(lambda response: response.status == 503):
        [played] = play(1)
    expect(page.locator(f"[data-latest='{played}'] [data-latest-verdict]")).to_contain_text("verified", timeout=15_000)
    visit.console_errors.clear()  # the browser logs the 503


HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
COUNT = """(() => {
  const Source = window.EventSource;
  window.sources = [];
  window.EventSource = class extends Source { constructor(url) { super(url); window.sources.push(this); } };
})()"""


def test_a_hidden_tab_holds_no_stream_and_misses_nothing(chromium, base, play):
    page = chromium.new_page()
    page.clock.install()
    page.add_init_script(COUNT)
    page.goto(base)
    expect(page.locator(LIVE)).to_be_visible()
    page.evaluate(HIDE, arg=True)
    page.clock.fast_forward(29_000)
    assert page.evaluate("sources.map((one) => one.readyState)") == [1]
    page.clock.fast_forward(2_000)
    assert page.evaluate("sources.map((one) => one.readyState)") == [2]
    played = play(50)  # more than the strip holds
    page.evaluate(HIDE, arg=False)
    page.clock.fast_forward(2_000)
    expect(page.locator(f"[data-latest='{played[-1]}']")).to_be_visible()
    expect(page.locator(f"{CHIPS} .mark.ok")).to_have_count(44)
    assert ids(page) == played[::-1][:44]
    until(page, "sources.at(-1).readyState === 1")
    assert "last_event_id=" in page.evaluate("sources.at(-1).url")
    assert page.evaluate("sources.length") == 2
    page.close()


def test_a_tab_opened_in_the_background_holds_no_stream(chromium, base):
    page = chromium.new_page()
    page.clock.install()
    page.add_init_script(f"({HIDE})(true)")
    page.add_init_script(COUNT)
    page.goto(base)
    until(page, "sources.map((one) => one.readyState).join() === '1'")
    page.clock.fast_forward(31_000)
    until(page, "sources.map((one) => one.readyState).join() === '2'")
    page.close()


def test_while_the_stream_is_refused_the_page_polls_and_says_so(visit, play, tmp_path):
    with (
        web_server(tmp_path / "log", STREAM_MAX_PER_ADDRESS="1") as address,
        urllib.request.urlopen(f"{address}/api/stream/", timeout=20),  # noqa: S310  # the only stream that is allowed
    ):
        page = visit(address)
        page.evaluate(STATES)
        polling = page.locator("[data-connection=polling]")
        expect(polling).to_have_text("Polling every 5 s", timeout=15_000)
        [played] = play(1)
        with page.expect_response("**/api/stream/**", timeout=15_000):
            pass  # the page retries
        expect(page.locator(f"[data-latest='{played}']")).to_be_visible(timeout=15_000)
        expect(polling).to_be_visible()
        assert page.evaluate("window.states") == ["polling"]
        page.goto("about:blank")
    assert all("429" in error for error in visit.console_errors)  # the browser logs the refusal
    visit.console_errors.clear()


def test_the_condition_is_changed_by_keyboard_alone(visit, base):
    page = visit(base)
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to the content")
    page.locator("select[name=kind]").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Control+A")
    page.keyboard.type("5")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{base}/?min=5")
    expect(page.locator("tr.chosen th")).to_have_text("at least 5\N{MULTIPLICATION SIGN}")


def test_focus_and_open_details_survive_a_new_game(visit, base, play):
    page = visit(base)
    expect(page.locator(LIVE)).to_be_visible()
    page.locator("[data-panel=series] summary").click()
    page.locator("[data-key='condition-min:5']").focus()
    [played] = play(1)
    expect(page.locator(f"[data-latest='{played}']")).to_be_visible()
    expect(page.locator("[data-panel=fairness]")).to_contain_text("301")
    assert page.evaluate("document.activeElement.dataset.key") == "condition-min:5"
    assert page.locator("[data-panel=series] details").get_attribute("open") is not None


def test_a_shared_url_shows_the_same(visit, base):
    url = f"{base}/?max=1.5&hours=72&games=1000&sort=length&tz=Europe/London"
    first, second = visit(url), visit(url)
    for name in ("conditions", "heat", "distribution", "series"):
        place = f"[data-panel={name}]"
        assert first.locator(place).inner_html() == second.locator(place).inner_html()
    assert second.locator("select[name=hours]").input_value() == "72"
    assert second.locator("tr.chosen th").inner_text() == "at most 1.5\N{MULTIPLICATION SIGN}"


@pytest.mark.parametrize("width", [360, 768, 1360, 1920])
def test_no_width_overflows_and_nothing_jumps(visit, base, play, width):
    page = visit(base, viewport={"width": width, "height": 800})
    expect(page.locator(LIVE)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == width
    [played] = play(1)
    expect(page.locator(f"[data-latest='{played}']")).to_be_visible()
    expect(page.locator("[data-panel=fairness]")).to_contain_text("301")
    assert page.evaluate(SHIFT) < 0.1
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_the_theme_follows_the_system_and_the_switch(visit, base):
    dark = "() => getComputedStyle(document.body).backgroundColor"
    page = visit(base, color_scheme="dark")
    assert page.evaluate(dark) == "rgb(13, 17, 23)"
    switch = page.get_by_role("button", name="Theme")
    switch.click()
    assert page.evaluate(dark) == "rgb(245, 246, 248)"
    page.reload()
    expect(switch).to_have_text("Theme: light")
    assert page.evaluate(dark) == "rgb(245, 246, 248)"
    switch.click()
    switch.click()
    expect(switch).to_have_text("Theme: system")
    assert page.evaluate(dark) == "rgb(13, 17, 23)"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/", "/games/", "/games/{}/", "/verify/?game_id={}&hash=" + "a" * 64, "/?x=1"])
@pytest.mark.parametrize("width", [360, 1360])
def test_axe_finds_nothing(visit, base, rounds, path, scheme, width):
    url = base + path.format(rounds[250].game_id)
    page = visit(url, color_scheme=scheme, viewport={"width": width, "height": 900})
    for details in page.locator("details.more").all():
        details.locator("summary").click()
    found = Axe().run(page).response["violations"]
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == []
    if path == "/?x=1":
        visit.console_errors.clear()  # the browser logs the 400


def test_the_api_calls_of_a_panel_can_be_read(visit, base):
    page = visit(base, viewport={"width": 360, "height": 800})
    page.locator("[data-key=conditions-calls] summary").click()
    link = page.locator("[data-key=conditions-api-1]")
    assert link.bounding_box()["width"] > 200
    assert link.bounding_box()["x"] >= 0


def test_a_large_multiplier_stays_in_its_chip(visit, base, rounds):
    Game.objects.filter(game_id=rounds[299].game_id).update(crash_hundredths=4_199_541)
    record_games([replace(rounds[298], crash_hundredths=104_199_541)], source="test")
    services.apply_pending()
    page = visit(base, viewport={"width": 360, "height": 800})
    inside = "(one) => one.scrollWidth <= one.clientWidth"
    assert all(chip.evaluate(inside) for chip in page.locator(CHIPS).all())
    assert page.locator("[data-latest]").evaluate(inside)


def test_a_stored_response_is_not_taken_for_the_servers(visit, play, tmp_path):
    with web_server(tmp_path / "log") as address:
        page = visit(address)
        page.evaluate("navigator.serviceWorker.ready")
        page.reload()
        expect(page.locator(LIVE)).to_be_visible()
        play(1)
        expect(page.locator(f"{CHIPS} .mark.ok")).to_have_count(44)
        until(page, "caches.match(document.querySelector('main').dataset.panelsUrl)")
    expect(page.locator("[data-connection=lost]")).to_contain_text("Reconnecting, data ")
    page.evaluate(STATES)
    for _ in range(2):  # when the second arrives, the first has been handled
        with page.expect_response("**/panels/**", timeout=15_000) as response:
            pass
        assert response.value.header_value("X-Stored") == "true"
    expect(page.locator("[data-connection=lost]")).to_contain_text("Reconnecting, data ")
    assert page.evaluate("window.states") == []
    page.goto("about:blank")
    visit.console_errors.clear()  # the browser logs that the server is gone


def test_offline_the_page_is_shown_after_a_first_visit(visit, base):
    page = visit(base)
    until(page, "navigator.serviceWorker.controller?.state === 'activated'")  # then the page has been stored
    page.context.set_offline(True)
    page.reload()
    assert len(ids(page)) == 44
    expect(page.locator("[data-connection=lost]")).to_contain_text("Offline, data ")
    visit.console_errors.clear()


def test_offline_the_last_responses_are_shown_with_their_age(visit, base):
    page = visit(base)
    page.evaluate("navigator.serviceWorker.ready")
    page.reload()  # now through the worker, which stores the page
    expect(page.locator(LIVE)).to_be_visible()
    page.context.set_offline(True)
    page.reload()
    assert len(ids(page)) == 44
    expect(page.locator("[data-connection=lost]")).to_contain_text("Offline, data ")
    visit.console_errors.clear()


@pytest.mark.parametrize(
    "path", ["/games/?per_page=10", "/games/{}/", "/verify/?game_id={}&hash=" + "a" * 64, "/nothing"]
)
def test_no_other_page_overflows_on_a_phone(visit, base, rounds, path):
    page = visit(base + path.format(rounds[250].game_id), viewport={"width": 360, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    visit.console_errors.clear()  # the browser logs the 404


def test_printed_there_are_panels_and_no_controls(visit, base):
    page = visit(base)
    page.emulate_media(media="print")
    expect(page.locator("form.controls")).to_be_hidden()
    expect(page.locator("header nav")).to_be_hidden()
    expect(page.locator("[data-panel=conditions] table")).to_be_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_nothing_is_cut_off_on_paper(visit, base):
    page = visit(base, viewport={"width": 720, "height": 1000})  # A4 and letter at 96 dpi, within their margins
    page.emulate_media(media="print")
    for panel in page.locator(".panel").all():
        assert panel.evaluate("(one) => one.scrollWidth <= one.clientWidth"), panel.get_attribute("data-panel")
