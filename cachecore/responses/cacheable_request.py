"""Which requests the front door may answer, and what of a request decides the answer."""

import re
from functools import lru_cache
from typing import NamedTuple

from django.conf import settings
from django.http.request import split_domain_port, validate_host

from cachecore.asgi import Scope
from cachecore.responses.encoding import takes_gzip
from cachecore.responses.url_registry import Url, url_of

_JSON = re.compile(rb"(?i)(?:^|,)\s*(?:\*/\*|application/(?:\*|json))\s*(?:$|[;,])")


class CacheableRequest(NamedTuple):
    """The part of a request that decides how it is answered."""

    url: Url
    gzip: bool
    if_none_match: str
    head: bool


def parse_cacheable_request(scope: Scope) -> CacheableRequest | None:
    """The request as far as a public answer may depend on it; None for what only Django may answer."""
    if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
        return None
    found = _headers(scope)
    if b"authorization" in found or b"if-match" in found or b"if-unmodified-since" in found:
        return None  # it might be somebody's own; it might be a 412
    if not _wants_json(found.get(b"accept", b"*/*")) or not _host_allowed(found.get(b"host", b"")):
        return None
    url = url_of(
        scope["path"],
        scope["query_string"].decode("latin-1"),
        _text(found.get(b"x-timezone")),
        _text(found.get(b"origin")),
        _text(found.get(b"x-forwarded-proto")),
    )
    if not url.fits:
        return None
    return CacheableRequest(
        url,
        takes_gzip(found.get(b"accept-encoding", b"").decode("latin-1")),
        _text(found.get(b"if-none-match")) or "",
        scope["method"] == "HEAD",
    )


def _text(value: bytes | None) -> str | None:
    return value if value is None else value.decode("latin-1")


def _headers(scope: Scope) -> dict[bytes, bytes]:
    """As Django sees them: what is sent more than once is joined. Who read another one of them would be fooled."""
    sent = scope["headers"]
    found: dict[bytes, bytes] = dict(sent)
    if len(found) == len(sent):
        return found
    joined: dict[bytes, bytes] = {}
    for name, value in sent:
        joined[name] = joined[name] + b"," + value if name in joined else value
    return joined


@lru_cache(maxsize=1024)
def _wants_json(accept: bytes) -> bool:
    """By whole names: `application/json-seq` is something else, and Django says 406 to it."""
    return _JSON.search(accept) is not None


@lru_cache(maxsize=1024)
def _host_allowed(host: bytes) -> bool:
    """Django's own host check, so that a forged Host gets its 400 from Django."""
    domain, _ = split_domain_port(host.decode("latin-1"))
    return bool(domain) and validate_host(domain, settings.ALLOWED_HOSTS)
