"""Cached hits through the front door, beside what bounds them and what they replace.

python -m benchmarks.hits [--rounds 5] [--seconds 1] [--connections 16 64] [--only games]
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import httpx
import redis

from benchmarks import _load
from benchmarks._harness import Spread, Target, Window, alternate, cpu_ratios, ratios, table, window
from benchmarks._servers import Server, granian, pin, split_cores, valkey
from benchmarks.hits_apps import answers

# Several URLs of a kind: hits on one alone would share a round trip.
PATHS = {
    "games": [f"/api/games/?page={page}" for page in range(1, 17)],
    "intervals": [
        f"/api/analytics/intervals/?min={least}" for least in ("10", "2", "3", "5", "20", "50", "100", "500")
    ],
}
GAMES = 6_000  # more than a day of them: every interval of the answer has its games
PLAIN = {"Accept-Encoding": "identity"}
TARGETS = ("bare", "memory", "one trip", "cache_page", "uncached")
MEANING = {
    "bare": "Granian ASGI, one stored answer with the same headers",
    "memory": "front door, from the process's memory (L1)",
    "one trip": "front door without L1: one Redis round trip a hit",
    "cache_page": "Django's cache_page, django-redis, Granian WSGI",
    "uncached": "the same DRF views, Granian WSGI",
}


def main() -> None:
    asked = _arguments()
    server_cores, other_cores = split_cores()
    pin(other_cores)  # Valkey and the load inherit it
    print(f"load: {_load.generator()}; cores: server {server_cores}, load and Valkey {other_cores}")
    print(f"{asked.rounds} rounds of {asked.seconds} s windows, targets in turn; median (least..greatest)\n")
    for name in TARGETS:
        print(f"  {name:10} {MEANING[name]}")
    with tempfile.TemporaryDirectory(prefix="hits-") as directory, ExitStack() as running:
        url = running.enter_context(valkey(Path(directory)))
        client = running.enter_context(redis.Redis.from_url(url))
        environment = _environment(Path(directory), url)
        _fill(environment)
        servers = running.enter_context(_servers(Path(directory), environment, server_cores))
        for name in asked.only:
            targets = [Target(target, servers[target], _paths(target, PATHS[name])) for target in TARGETS]
            length = _check(targets)
            for connections in asked.connections:
                measure = partial(window, connections=connections, seconds=asked.seconds, client=client)
                urls = f"{PATHS[name][0]} and {len(PATHS[name]) - 1} others"
                print(f"\n{urls}, {length:,} bytes, {connections} connections\n")
                print(_report(alternate(targets, asked.rounds, measure)), flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hits", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=1, help="length of a window")
    parser.add_argument("--connections", type=int, nargs="+", default=[16, 64])
    parser.add_argument("--only", nargs="+", choices=list(PATHS), default=list(PATHS))
    return parser.parse_args()


def _environment(directory: Path, redis_url: str) -> dict[str, str]:
    """Nothing of the caller's database, servers or feed."""
    taken = {"CACHE_URL", "STATE_URL", "BROKER_URL"}
    return {name: value for name, value in os.environ.items() if name not in taken} | {
        "DJANGO_SETTINGS_MODULE": "config.settings.local",
        "DATABASE_URL": f"sqlite:///{directory / 'games.sqlite3'}",
        "REDIS_URL": redis_url,
        "ENABLE_REDIS_RATE_LIMITING": "false",  # the uncached peers would be refused
        "DATA_DIR": str(directory),
        "SITE": "bcgame",
        "FEED": "none",
        "DEBUG": "false",
        "LOG_LEVEL": "WARNING",
    }


def _fill(environment: Mapping[str, str]) -> None:
    subprocess.run([sys.executable, "-m", "benchmarks._games", str(GAMES)], env=environment, check=True)


@contextmanager
def _servers(directory: Path, environment: Mapping[str, str], cores: set[int]) -> Iterator[dict[str, Server]]:
    plain = {**environment, "DJANGO_SETTINGS_MODULE": "benchmarks.hits_apps.settings"}
    with ExitStack() as running:

        def start(name: str, app: str, with_environment: Mapping[str, str], *options: str) -> Server:
            log = directory / f"{name}.log"
            return running.enter_context(granian(app, with_environment, log, cores, *options))

        memory = start("memory", "config.asgi:application", environment, "--interface", "asgi")
        for paths in PATHS.values():
            stored = _stored(memory.url + paths[0])
            answers.save(directory, stored.url.path, stored.headers.items(), stored.content)
        bare = {**environment, "BENCHMARK_ANSWERS": str(directory)}
        django = start(
            "django", "benchmarks.hits_apps.plain:application", plain, "--interface", "wsgi", "--blocking-threads", "1"
        )
        yield {
            "bare": start("bare", "benchmarks.hits_apps.bare:application", bare, "--interface", "asgi"),
            "memory": memory,
            "one trip": start(
                "one-trip", "benchmarks.hits_apps.one_trip:application", environment, "--interface", "asgi"
            ),
            "cache_page": django,
            "uncached": django,
        }


def _stored(url: str) -> httpx.Response:
    """The second answer to a URL: the front door's own."""
    for _ in range(3):
        answer = httpx.get(url, headers=PLAIN).raise_for_status()
    if answer.headers["x-cache"] != "HIT":
        raise RuntimeError(f"{url} is not served from the cache: X-Cache {answer.headers['x-cache']}")
    return answer


def _paths(target: str, paths: Sequence[str]) -> list[str]:
    return [f"/{target}{path}" if target in ("cache_page", "uncached") else path for path in paths]


def _check(targets: Sequence[Target]) -> int:
    """Every path answers 200 with JSON, now from the cache where there is one; the first one's length in bytes."""
    lengths = {}
    for target in targets:
        answers = [httpx.get(target.server.url + path, headers=PLAIN) for _ in range(2) for path in target.paths]
        for answer in answers:
            answer.raise_for_status().json()
        lengths[target.name] = len(answers[0].content)
    stored = lengths["memory"]
    if any(abs(length - stored) > stored // 10 for length in lengths.values()):
        raise RuntimeError(f"the answers are not alike: {lengths}")
    return stored


def _report(windows: Mapping[str, Sequence[Window]]) -> str:
    head = ["", "req/s", "server us/req", "Redis/req", "/ bare", "/ bare, CPU", "/ cache_page", "/ cache_page, CPU"]
    return table([head, *(_row(name, windows) for name in windows)])


def _row(name: str, windows: Mapping[str, Sequence[Window]]) -> list[str]:
    ours, bare, page = windows[name], windows["bare"], windows["cache_page"]
    return [
        name,
        f"{Spread.of([one.requests_per_second for one in ours]):,.0f}",
        f"{Spread.of([one.cpu_us for one in ours]):.1f}",
        f"{Spread.of([one.redis_commands for one in ours]).middle:.2f}",
        f"{ratios(ours, bare):.2f}" if name != "bare" else "1",
        f"{cpu_ratios(ours, bare):.2f}" if name != "bare" else "1",
        f"{ratios(ours, page):.1f}" if name != "cache_page" else "1",
        f"{cpu_ratios(ours, page):.1f}" if name != "cache_page" else "1",
    ]


if __name__ == "__main__":
    main()
