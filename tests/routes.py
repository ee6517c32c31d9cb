"""The paths of all URL patterns, so that a test of permissions covers routes that are added later."""

from collections.abc import Iterator, Mapping

from django.urls import URLPattern, URLResolver, get_resolver
from django.utils.regex_helper import normalize


def paths_under(prefix: str, samples: Mapping[str, str]) -> list[str]:
    """Return every routed path with the prefix. `samples` are values for the patterns' arguments; others become "1"."""
    paths = set(_paths("/", get_resolver().url_patterns, samples))
    return sorted(path for path in paths if path.startswith(prefix))


def _paths(base: str, patterns: list[URLPattern | URLResolver], samples: Mapping[str, str]) -> Iterator[str]:
    for pattern in patterns:
        path = base + _first_match(pattern, samples)
        if isinstance(pattern, URLResolver):
            yield from _paths(path, pattern.url_patterns, samples)
        else:
            yield path


def _first_match(pattern: URLPattern | URLResolver, samples: Mapping[str, str]) -> str:
    text, names = normalize(pattern.pattern.regex.pattern.replace(r"\Z", "$"))[0]
    return text % {name: samples.get(name, "1") for name in names}
