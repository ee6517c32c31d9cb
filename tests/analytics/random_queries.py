"""Random query parameters of the analytics API, and responses in a form that can be compared."""

import random
import re
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.conf import settings

from tests.analytics.recomputation import Json, Params, World, at

ZONES = ["UTC", "Europe/London", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia"]
OTHER_VALUES = {
    "min": ["1", "1.02", "1.99", "2.0", "02", "7.77", "33.3", "490", "10000000"],
    "max": ["1", "1.01", "1.1", "2.50", "9.99", "49.99", "1000", "10000000"],
    "floor": ["1", "4", "7", "13", "77", "500", "10000000"],
}
INTERVALS = ["1", "5", "10", "15", "30", "60", "240", "720", "1440"]
HOURS = ["0.05", "0.25", "0.5", "1", "2", "6", "24", "48", "100", "240", "2160"]
BINS = ["1", "1,2", "1,1.01,1.02", "1,1.5,2.00,10,100", "1,3,9,27,81,243,729", ",".join(map(str, range(1, 60)))]
TIME = re.compile(r"\d{4}-\d\d-\d\dT")


def random_query(endpoint: str, world: World, now_ms: int, chance: random.Random) -> Params:
    params = PARAMETERS[endpoint](world, now_ms, chance)
    if chance.random() < 0.7:
        params["tz"] = chance.choice(ZONES)
    return params


def url(endpoint: str, params: Params) -> str:
    return f"/api/analytics/{endpoint}/?{urlencode(params)}"


def comparable(body: Json) -> Json:
    """Return what two sources must agree on: all but source, version and epoch, with times in one format."""
    meta = {name: value for name, value in body["meta"].items() if name not in ("source", "version", "epoch")}
    return {"meta": _same_format(meta), "results": _same_format(body["results"])}


def _same_format(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _same_format(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_same_format(one) for one in value]
    if isinstance(value, str) and TIME.match(value):
        return datetime.fromisoformat(value).isoformat()
    return value


def differences(one: Any, other: Any, path: str = "") -> list[str]:
    """Return the differences of two responses, one a line, because a whole response is too long to read."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return [line for name in one for line in differences(one[name], other[name], f"{path}.{name}")]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [line for n in range(len(one)) for line in differences(one[n], other[n], f"{path}[{n}]")]
    return [] if one == other else [f"{path}: {one!r} and not {other!r}"]


# Parameters ----------------------------------------------------------------------------------------------------------


def _conditions(chance: random.Random, at_most: int = 50) -> Params:
    kind = chance.choice(["min", "max", "floor"])
    configured = [name.partition(":")[2] for name in settings.ANALYTICS_CONDITIONS if name.startswith(kind)]
    count = min(at_most, chance.choice([1, 1, 1, 2, 3, 8, 50]))
    pool = configured if chance.random() < 0.4 else configured + OTHER_VALUES[kind]
    if count > 8:
        pool = pool + [str(n) if kind == "floor" else f"{n / 100:.2f}" for n in range(100, 700, 7)]
    return {kind: ",".join(chance.choice(pool) for _ in range(count))}


def _instant(world: World, now_ms: int, chance: random.Random) -> int:
    """Return the exact end of a game, a time close to one, or a time long before all games."""
    ends = [end_ms for _, end_ms in world.games.values() if end_ms] or [now_ms - 3_600_000]
    return chance.choice(ends) + chance.choice([0, 0, 1, -1, 12_345, -3_600_000, -200 * 86_400_000])


def _range(world: World, now_ms: int, chance: random.Random) -> Params:
    since, until = sorted(min(_instant(world, now_ms, chance), now_ms - 1) for _ in range(2))
    zone = chance.choice(ZONES)
    params = {"since": _text(since, zone)}
    if chance.random() < 0.7:
        params["until"] = _text(until + (since == until), chance.choice(ZONES))
    return params


def _text(ms: int, zone: str) -> str:
    text = at(ms, zone)
    assert text is not None
    return text


def _window(world: World, now_ms: int, chance: random.Random) -> Params:
    kind = chance.choice(["default", "games", "games", "hours", "range", "range", "all", "all"])
    if kind == "games":
        recorded = len(world.games)
        return {"games": str(chance.choice([1, 2, 10, 99, 1_000, max(1, recorded - 1), recorded + 1, 100_000]))}
    if kind == "hours":
        return {"hours": chance.choice(["0.000001", "0.25", "1", "2.5", "24", "100", "2160"])}
    if kind == "range":
        return _range(world, now_ms, chance)
    return {"all": "true"} if kind == "all" else {}


def _occurrences(world: World, now_ms: int, chance: random.Random) -> Params:
    compare = {"compare": "previous"} if chance.random() < 0.5 else {}
    return _conditions(chance) | _window(world, now_ms, chance) | compare


def _intervals(world: World, now_ms: int, chance: random.Random) -> Params:
    interval = chance.choice(INTERVALS)
    params = _conditions(chance, at_most=8) | ({"interval": interval} if interval != "10" else {})
    if chance.random() < 0.6:
        whole = [hours for hours in HOURS if Decimal(hours) * 60 % int(interval) == 0]
        return params | {"hours": chance.choice(whole)}
    return params | (_range(world, now_ms, chance) if chance.random() < 0.9 else {})


def _game_sets(world: World, now_ms: int, chance: random.Random) -> Params:
    size = {"size": str(chance.choice([1, 3, 7, 25, 30, 100, 999, 1_000]))} if chance.random() < 0.8 else {}
    return _conditions(chance, at_most=8) | _window(world, now_ms, chance) | size


def _series(world: World, now_ms: int, chance: random.Random) -> Params:
    params = _conditions(chance) | _window(world, now_ms, chance)
    if chance.random() < 0.5:
        params["sort"] = chance.choice(["time", "length"])
    if chance.random() < 0.5:
        params["limit"] = str(chance.choice([1, 3, 10, 11, 100, 200]))
    return params


def _last_games(world: World, now_ms: int, chance: random.Random) -> Params:
    limit = {"limit": str(chance.choice([1, 2, 10, 100]))} if chance.random() < 0.7 else {}
    return _conditions(chance) | limit


def _distribution(world: World, now_ms: int, chance: random.Random) -> Params:
    return _window(world, now_ms, chance) | ({"bins": chance.choice(BINS)} if chance.random() < 0.5 else {})


def _volatility(world: World, now_ms: int, chance: random.Random) -> Params:
    size = {"size": str(chance.choice([2, 3, 10, 64, 1_000, 10_000]))} if chance.random() < 0.7 else {}
    return _window(world, now_ms, chance) | size


PARAMETERS = {
    "occurrences": _occurrences,
    "intervals": _intervals,
    "game-sets": _game_sets,
    "series": _series,
    "last-games": _last_games,
    "distribution": _distribution,
    "volatility": _volatility,
    "audit": _window,
}
