"""Measure cache hits through the ASGI application, compared with their bound and with what they replace.

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
from benchmarks._harness import Spread, Target, Window, alternate, cpu_ratios, measure_window, ratios, table
from benchmarks._servers import Server, granian, pin, split_cores, valkey
from benchmarks.hits_apps import stored_responses

# Several URLs per endpoint, because concurrent hits of one URL would share a round trip.
PATHS = {
    "games": [f"/api/games/?page={page}" for page in range(1, 17)],
    "intervals": [
        f"/api/analytics/intervals/?min={least}" for least in ("10", "2", "3", "5", "20", "50", "100", "500")
    ],
}
GAMES = 6_000  # more than a day of games, so that every interval of the response has some
PLAIN = {"Accept-Encoding": "identity"}
TARGETS = ("bare", "memory", "one trip", "cache_page", "uncached")
DESCRIPTIONS = {
    "bare": "Granian ASGI, one stored response with the same headers",
    "memory": "our ASGI application, from its local cache (L1)",
    "one trip": "our ASGI application without L1: one Redis round trip per hit",
    "cache_page": "Django's cache_page, django-redis, Granian WSGI",
    "uncached": "the same DRF views, Granian WSGI",
}


def main() -> None:
    args = _parse_args()
    server_cores, other_cores = split_cores()
    pin(other_cores)  # Valkey and the load inherit it
    print(f"load: {_load.generator()}; cores: server {server_cores}, load and Valkey {other_cores}")
    print(f"{args.rounds} rounds of {args.seconds} s windows, targets in turn; median (minimum..maximum)\n")
    for name in TARGETS:
        print(f"  {name:10} {DESCRIPTIONS[name]}")
    with tempfile.TemporaryDirectory(prefix="hits-") as directory, ExitStack() as running:
        url = running.enter_context(valkey(Path(directory)))
        client = running.enter_context(redis.Redis.from_url(url))
        environment = _environment(Path(directory), url)
        _fill(environment)
        servers = running.enter_context(_servers(Path(directory), environment, server_cores))
        for name in args.only:
            targets = [Target(target, servers[target], _paths(target, PATHS[name])) for target in TARGETS]
            length = _check(targets)
            for connections in args.connections:
                measure = partial(measure_window, connections=connections, seconds=args.seconds, client=client)
                urls = f"{PATHS[name][0]} and {len(PATHS[name]) - 1} others"
                print(f"\n{urls}, {length:,} bytes, {connections} connections\n")
                print(_report(alternate(targets, args.rounds, measure)), flush=True)


def _parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hits", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=1, help="length of a window")
    parser.add_argument("--connections", type=int, nargs="+", default=[16, 64])
    parser.add_argument("--only", nargs="+", choices=list(PATHS), default=list(PATHS))
    return parser.parse_args()


def _environment(directory: Path, redis_url: str) -> dict[str, str]:
    """Return an environment without the caller's database, servers and feed."""
    taken = {"CACHE_URL", "STATE_URL", "BROKER_URL"}
    return {name: value for name, value in os.environ.items() if name not in taken} | {
        "DJANGO_SETTINGS_MODULE": "config.settings.local",
        "DATABASE_URL": f"sqlite:///{directory / 'games.sqlite3'}",
        "REDIS_URL": redis_url,
        "ENABLE_REDIS_RATE_LIMITING": "false",  # the uncached targets would exceed the limit
        "DATA_DIR": str(directory),
        "SITE": "bcgame",
        "FEED": "none",
        "DEBUG": "false",
        "LOG_LEVEL": "WARNING",
    }


def _fill(environment: Mapping[str, str]) -> None:
    subprocess.run([sys.executable, "-m", "benchmarks._genuine_games", str(GAMES)], env=environment, check=True)


@contextmanager
def _servers(directory: Path, environment: Mapping[str, str], cores: set[int]) -> Iterator[dict[str, Server]]:
    plain = {**environment, "DJANGO_SETTINGS_MODULE": "benchmarks.hits_apps.settings"}
    with ExitStack() as running:

        def start(name: str, app: str, with_environment: Mapping[str, str], *options: str) -> Server:
            log = directory / f"{name}.log"
            return running.enter_context(granian(app, with_environment, log, cores, *options))

        memory = start("memory", "config.asgi:application", environment, "--interface", "asgi")
        for paths in PATHS.values():
            stored = _cached_response(memory.url + paths[0])
            stored_responses.save(directory, stored.url.path, stored.headers.items(), stored.content)
        bare = {**environment, "BENCHMARK_RESPONSES": str(directory)}
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


def _cached_response(url: str) -> httpx.Response:
    """Return the response to a URL after it was cached. Raises RuntimeError if it is no hit."""
    for _ in range(3):
        response = httpx.get(url, headers=PLAIN).raise_for_status()
    if response.headers["x-cache"] != "HIT":
        raise RuntimeError(f"{url} is not served from the cache: X-Cache {response.headers['x-cache']}")
    return response


def _paths(target: str, paths: Sequence[str]) -> list[str]:
    return [f"/{target}{path}" if target in ("cache_page", "uncached") else path for path in paths]


def _check(targets: Sequence[Target]) -> int:
    """Request every path twice, which also fills the caches. Return the length of the first response in bytes.

    Raises an error if a response is not a 200 with JSON, or if the targets' responses differ in length.
    """
    lengths = {}
    for target in targets:
        responses = [httpx.get(target.server.url + path, headers=PLAIN) for _ in range(2) for path in target.paths]
        for response in responses:
            response.raise_for_status().json()
        lengths[target.name] = len(responses[0].content)
    stored = lengths["memory"]
    if any(abs(length - stored) > stored // 10 for length in lengths.values()):
        raise RuntimeError(f"the responses differ in length: {lengths}")
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
        f"{Spread.of([one.redis_commands for one in ours]).median:.2f}",
        f"{ratios(ours, bare):.2f}" if name != "bare" else "1",
        f"{cpu_ratios(ours, bare):.2f}" if name != "bare" else "1",
        f"{ratios(ours, page):.1f}" if name != "cache_page" else "1",
        f"{cpu_ratios(ours, page):.1f}" if name != "cache_page" else "1",
    ]


if __name__ == "__main__":
    main()
