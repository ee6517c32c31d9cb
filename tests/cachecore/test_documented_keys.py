"""The generated pages: complete, equal to the code, and reported as out of date if they are."""

import re

import pytest
from django.core.management import CommandError, call_command

from cachecore import keys
from cachecore.keys import Family
from cachecore.maintenance import documentation
from cachecore.management.commands import document_keys
from config.env import BASE_DIR

APPS = ("analytics", "cachecore", "games")
ENDPOINTS = {
    "GET /api/games/": "games-list",
    "GET /api/games/<game_id>/": "games-single",
    "GET /api/games/<game_id>/verification/": "games-verification",
    "GET /api/analytics/occurrences/": "analytics-occurrence",
    "GET /api/analytics/intervals/": "analytics-interval",
}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Point the command at a temporary project directory with short pages."""
    (tmp_path / "docs").mkdir()
    pages = {"keys.md": lambda: "keys\n", "api-caching.md": lambda: "policies\n"}
    monkeypatch.setattr(documentation, "project_directory", lambda: tmp_path)
    monkeypatch.setattr(document_keys, "PAGES", pages)
    return tmp_path


def families_in_the_code() -> set[str]:
    """Return the family names found in the source text of modules that declare families."""
    sources = [path.read_text() for app in APPS for path in (BASE_DIR / app).rglob("*.py")]
    declared = [source for source in sources if re.search(r"\bFamily\(|partial\(\s*Family", source)]
    return {name for source in declared for name in re.findall(r'^    name="([a-z-]+)"', source, re.MULTILINE)}


def test_every_family_in_the_code_is_on_the_page():
    page = documentation.keys_page()
    listed = re.findall(r"^- \*\*family\*\* `([a-z-]+)`", page, re.MULTILINE)
    assert families_in_the_code() <= set(listed)
    assert len(listed) == len(set(listed))
    for name in listed:
        assert name in keys.registry


def test_a_family_is_listed_with_all_its_facts_under_the_app_that_declares_it():
    page = documentation.keys_page()
    assert (
        "### `analytics:interval:<parameters>:<version>`\n"
        "\n"
        "- **family** `analytics-interval`, role *cache*, string, TTL 120 s (tier analytics)\n"
        "- **holds** counts per interval as JSON (stored_response.StoredResponse)\n"
        "- **written by** analytics.endpoints.intervals.IntervalsView\n"
        "- **purged by** version `analytics`\n"
    ) in page.partition("\n## Analytics\n")[2]
    assert "### `{stats}:batch:<process>`" in page
    headings = re.findall(r"^## (.*)$", page, re.MULTILINE)
    assert headings == ["Website", "Cache", "Games", "Analytics"]


def test_a_family_without_a_ttl_says_what_bounds_it():
    for part in documentation.keys_page().split("### ")[1:]:
        assert ("TTL none" not in part) or ("**bounded by**" in part)


def test_every_cached_endpoint_is_listed_with_its_family():
    rows = re.findall(r"^\| `(GET [^`]*)` \| ([a-z-]+) \|", documentation.api_page(), re.MULTILINE)
    assert ENDPOINTS.items() <= dict(rows).items()


def test_every_policy_has_its_endpoint():
    assert [path for path, _ in documentation._policies() if not path.startswith("/")] == []


def test_a_pattern_reads_as_the_key_in_redis():
    family = keys.registry["analytics-ledger"]
    assert documentation._pattern(family) == "{analytics}:<staging>ledger:<chunk>"
    assert family.key(staging="", chunk=7) == "{analytics}:ledger:7"


def test_markup_characters_in_a_text_are_escaped(monkeypatch):
    monkeypatch.setattr(keys, "registry", dict(keys.registry))
    family = Family(
        name="odd",
        pattern="odd",
        role="cache",
        type="hash",
        ttl_seconds=1,
        holds="<id> -> a * b",
        written_by="x",
        purged_by="x",
    )
    assert "- **holds** &lt;id> -> a \\* b" in list(documentation._family_lines(family))


def test_unchanged_pages_are_not_written_again(project, capsys):
    call_command("document_keys")
    call_command("document_keys")
    assert capsys.readouterr().out == "Wrote docs/keys.md, docs/api-caching.md.\nThe pages are up to date.\n"
    assert (project / "docs/keys.md").read_text() == "keys\n"
    call_command("document_keys", "--check")


def test_a_check_names_the_pages_that_are_out_of_date_and_writes_nothing(project):
    call_command("document_keys")
    (project / "docs/keys.md").write_text("old\n")
    with pytest.raises(CommandError, match=r"^Out of date: docs/keys\.md\. Run `make docs`\.$"):
        call_command("document_keys", "--check")
    assert (project / "docs/keys.md").read_text() == "old\n"
