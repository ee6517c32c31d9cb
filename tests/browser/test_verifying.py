"""The browser computes its own verdicts, and they agree with the server's."""

import json

import pytest
from playwright.sync_api import expect

from games import fairness
from tests import chains

CHECK = """async (games) => {
  const { explain, formulaFor, previousHash } = await import("/static/site/js/fairness.js");
  const rows = [];
  for (const [site, id, hash] of games) {
    const formula = formulaFor(site, id);
    const steps = await explain(formula, hash);
    rows.push([steps.randomHex, steps.r, steps.x, steps.quotient, steps.hundredths, await previousHash(formula, hash)]);
  }
  return rows;
}"""


def server_steps(site: str, game_id: int, hash_: str) -> list:
    steps = fairness.explain(site, game_id, hash_)
    x = steps.x if steps.rounded_x is None else steps.rounded_x
    formula = fairness.formula_for(site, game_id)
    previous = fairness.previous_hash(formula, hash_)
    return [steps.hmac_hex or hash_, steps.r, x, steps.quotient, steps.crash_hundredths, previous]


def test_the_browser_computes_what_the_server_computes_for_every_formula(visit, base):
    """Every step to the last digit: 100 games of each site and hashes of each era."""
    games = [("bcgame", one.game_id, one.hash) for one in chains.bcgame_rounds(100)]
    games += [("bustabit", one.game_id, one.hash) for one in chains.bustabit_rounds(100)]
    eras = [formula for formula in fairness.FORMULAS if formula.computable]
    games += [(era.site, era.first_game, one.hash) for era in eras for one in chains.bcgame_rounds(20)]
    page = visit(f"{base}/verify/")
    found = page.evaluate(CHECK, [list(game) for game in games])
    assert found == [server_steps(*game) for game in games]


def test_a_tie_at_the_ninth_digit_is_rounded_up_as_at_the_site(visit, base):
    """X = 1021/1024 = 0.9970703125: nine digits end in 3, not in 2 (games/fairness/crash_point.py)."""
    page = visit(f"{base}/verify/")
    assert page.evaluate("parseFloat((1021 / 1024).toPrecision(9))") == 0.997070313
    assert page.evaluate("Math.floor(99 / (1 - parseFloat((1021 / 1024).toPrecision(9))))") == 33792


def test_a_hundred_games_are_verified_in_the_table_and_tampered_ones_are_mismatches(visit, base, rounds):
    page = visit(f"{base}/games/?per_page=100")
    button = page.get_by_role("button", name="Verify these in this browser")
    button.click()
    result = page.locator("[data-verify-result]")
    expect(result).to_have_text(
        "100 of 100 crash points verified by this browser; 99 of 99 links of the hash chain are unbroken."
    )
    page.evaluate("document.querySelectorAll('tr[data-game]')[7].dataset.crash = '77.77'")
    page.evaluate("document.querySelectorAll('tr[data-game]')[50].dataset.hash = 'ab'.repeat(32)")
    button.click()
    expect(result).to_contain_text("98 of 100 crash points verified by this browser, 2 mismatched; 97 of 99 links")
    expect(page.locator("tr[data-game] .verdict.no")).to_have_count(2)


def test_without_consecutive_games_no_link_is_counted(visit, base, rounds):
    page = visit(f"{base}/games/?min=20&per_page=10")
    ids = page.evaluate("[...document.querySelectorAll('tr[data-game]')].map((row) => Number(row.dataset.game))")
    assert ids
    assert not {one - 1 for one in ids} & set(ids)
    page.get_by_role("button", name="Verify these in this browser").click()
    expect(page.locator("[data-verify-result]")).to_have_text(
        f"{len(ids)} of {len(ids)} crash points verified by this browser. No two of these games follow each other."
    )


def test_the_buttons_show_and_clear_are_side_by_side(visit, base, rounds):
    page = visit(f"{base}/games/", viewport={"width": 1280, "height": 800})
    show = page.get_by_role("button", name="Show").bounding_box()
    clear = page.get_by_role("link", name="Clear").bounding_box()
    assert abs(show["y"] - clear["y"]) < 2


def test_the_form_verifies_while_typing_without_calling_the_server(visit, base, rounds):
    one = rounds[100]
    page = visit(f"{base}/verify/")
    requested = []
    page.on("request", lambda request: requested.append(request.url))
    page.get_by_label("Game").fill(str(one.game_id))
    page.get_by_label("Hash").fill(one.hash.upper())
    point = f"{one.crash_hundredths / 100:,.2f}\N{MULTIPLICATION SIGN}"
    expect(page.locator("[data-browser-result] .verdict")).to_have_text(f"The hash gives {point}")
    page.get_by_label("Crash point").fill(f"{one.crash_hundredths / 100}")
    expect(page.locator("[data-browser-result] .verdict")).to_have_text(
        f"\N{CHECK MARK} Verified: the hash gives exactly {point}"
    )
    page.get_by_label("Crash point").fill("1234.5")
    expect(page.locator("[data-browser-result] .verdict.no")).to_contain_text(f"Mismatch: the hash gives {point}, not")
    page.get_by_label("Hash").fill(one.hash[:-1])
    expect(page.locator("[data-browser-result] .verdict.un")).to_have_text("A hash has 64 hexadecimal digits.")
    # The browser requests the icon by itself, at any time.
    assert [url for url in requested if not url.endswith("/favicon.svg")] == []


def test_verify_calls_the_server_at_a_url_that_can_be_shared(visit, base, rounds):
    one = rounds[100]
    page = visit(f"{base}/verify/")
    server, agreement = page.locator("[data-server-crash]"), page.locator("[data-agreement]")
    expect(server).to_contain_text("Not computed yet: press Verify.")
    page.get_by_label("Game").fill(str(one.game_id))
    page.get_by_label("Hash").fill(one.hash)
    expect(agreement).to_be_hidden()
    page.get_by_role("button", name="Verify").click()
    point = f"{one.crash_hundredths / 100:,.2f}\N{MULTIPLICATION SIGN}"
    expect(page.locator("[data-server-verdict]")).to_have_text(f"The hash gives {point}")
    expect(page.locator("[data-browser-result] .verdict")).to_have_text(f"The hash gives {point}")
    expect(agreement).to_have_text("\N{CHECK MARK} Your browser and the server agree")
    assert f"game_id={one.game_id}&hash={one.hash}" in page.url
    shared = visit(page.url)
    expect(shared.locator("[data-agreement]")).to_have_text("\N{CHECK MARK} Your browser and the server agree")
    page.get_by_label("Hash").fill(rounds[101].hash)  # the server's result is for another hash
    expect(agreement).to_be_hidden()


def test_browser_and_server_accept_what_a_site_displays(visit, base, rounds):
    one = max(rounds, key=lambda each: each.crash_hundredths)
    page = visit(f"{base}/verify/")
    page.get_by_label("Game").fill(f" Game #{one.game_id}")
    page.get_by_label("Hash").fill(one.hash)
    for sign in ("x", " X", "\N{MULTIPLICATION SIGN}"):
        page.get_by_label("Crash point").fill(f"{one.crash_hundredths / 100:,.2f}{sign}")
        page.get_by_role("button", name="Verify").click()
        point = f"{one.crash_hundredths / 100:,.2f}\N{MULTIPLICATION SIGN}"
        expect(page.locator("[data-server-verdict]")).to_contain_text(f"The hash gives exactly {point}")
        expect(page.locator("[data-browser-result] .verdict")).to_contain_text(f"the hash gives exactly {point}")
        expect(page.locator("[data-agreement]")).to_have_text("\N{CHECK MARK} Your browser and the server agree")


def test_a_different_crash_point_from_the_server_is_detected(visit, base, rounds):
    one = rounds[100]
    page = visit("about:blank")

    def lying(route):
        response = route.fetch()
        right = f'data-server-crash="{one.crash_hundredths}"'
        assert right in response.text()
        route.fulfill(response=response, body=response.text().replace(right, 'data-server-crash="123456"'))

    page.route("**/verify/?*", lying)
    page.goto(f"{base}/verify/?site=bcgame&game_id={one.game_id}&hash={one.hash}")
    expect(page.locator("[data-agreement].no")).to_have_text("\N{BALLOT X} Your browser and the server do not agree")


@pytest.mark.parametrize("game_id", ["6500000", "0", "12.5", "9" * 20])
def test_a_game_without_a_formula_is_neither_verified_nor_a_mismatch(visit, base, game_id):
    page = visit(f"{base}/verify/")
    page.get_by_label("Game").fill(game_id)
    page.get_by_label("Hash").fill("1" * 64)
    expect(page.locator("[data-browser-result] .verdict.un")).to_have_text("No formula is known for this game.")


def test_the_formulas_of_the_page_are_parsed_as_data(visit, base):
    page = visit(f"{base}/verify/")
    rows = page.evaluate("import('/static/site/js/formulas.js').then((module) => JSON.stringify(module.FORMULAS))")
    assert [row["name"] for row in json.loads(rows)] == [formula.name for formula in fairness.FORMULAS]
