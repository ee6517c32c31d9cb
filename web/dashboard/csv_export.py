"""A panel's numbers as CSV."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import StringIO
from typing import Any

from web.dashboard.panels import PANELS, Panel
from web.dashboard.parameters import DashboardQuery

CsvRow = Sequence[object]


def panel_csv(name: str, query: DashboardQuery) -> str:
    """Return a panel's numbers with a header line. Raises django.db.Error if the panel cannot be built."""
    file = StringIO()
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerows(map(_cell, row) for row in _ROWS[name](PANELS[name](query)))
    return file.getvalue()


def _cell(value: object) -> object:
    """Return a value as games/export.py writes it."""
    return str(value).lower() if isinstance(value, bool) else value


def _strip(panel: Panel) -> Iterator[CsvRow]:
    fields = ("game_id", "crash_point", "verified", "end_time", "hash")
    return _table(fields, panel.context["games"])


def _conditions(panel: Panel) -> Iterator[CsvRow]:
    rows = panel.context["rows"]
    windows = [share["window"] for share in rows[0]["shares"]]
    yield (
        "condition",
        "expected_percentage",
        *(f"{name}_{window}" for window in windows for name in ("count", "games", "percentage")),
        "current_drought",
        "longest_drought",
        "expected_gap",
    )
    for row in rows:
        shares = (share[name] for share in row["shares"] for name in ("count", "games", "percentage"))
        yield row["condition"], round(row["expected"], 6), *shares, row["current"], row["longest"], round(row["gap"], 4)


def _heat(panel: Panel) -> Iterator[CsvRow]:
    return _table(("start", "end", "count", "games", "percentage", "complete"), panel.context["intervals"][::-1])


def _distribution(panel: Panel) -> Iterator[CsvRow]:
    fields = ("from", "to", "count", "percentage", "expected_count", "expected_percentage")
    return _table(fields, panel.context["bins"])


def _series(panel: Panel) -> Iterator[CsvRow]:
    names = ("start_game", "end_game", "start_time", "end_time", "length")
    yield *names, "closed_by_game", "closed_by_crash_point", "follow_streak"
    for one in panel.context["series"]:
        closer = one["closed_by"] or {"game_id": None, "crash_point": None}
        yield *(one[name] for name in names), closer["game_id"], closer["crash_point"], one["follow_streak"]


def _fairness(panel: Panel) -> Iterator[CsvRow]:
    audit = panel.context["audit"]
    yield "measure", "value"
    for name in ("verified", "mismatched", "unverifiable"):
        yield name, audit[name]
    for name in ("linked", "broken", "not_checkable"):
        yield f"chain_{name}", audit["chain"][name]
    yield "missing_games", audit["gaps"]["missing_games"]
    for name in ("chi_square", "degrees_of_freedom", "p_value"):
        yield name, audit["fit"][name]


def _table(names: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Iterator[CsvRow]:
    yield names
    for row in rows:
        yield [row[name] for name in names]


_ROWS = {
    "strip": _strip,
    "conditions": _conditions,
    "heat": _heat,
    "distribution": _distribution,
    "series": _series,
    "fairness": _fairness,
}
