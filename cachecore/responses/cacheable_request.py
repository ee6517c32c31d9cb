"""Decide whether a request may be answered from the response cache, and extract what its response depends on."""

import re
from functools import lru_cache
from typing import NamedTuple

from django.conf import settings
from django.http.request import split_domain_port, validate_host

from cachecore.asgi import Scope
from cachecore.responses.encoding import takes_gzip_cached
from cachecore.responses.url_registry import Url, url_of

# Longer headers are never kept, or strangers could fill the memory of the caches below. Django answers such a request.
MAX_HEADER_BYTES = 1_024  # of Accept, Accept-Encoding and Host together; a browser sends about 250

_JSON = re.compile(rb"(?i)(?:^|,)\s*(?:\*/\*|application/(?:\*|json))\s*(?:$|[;,])")


class CacheableRequest(NamedTuple):
    """The part of a request that its response may depend on."""

    url: Url
    gzip: bool
    if_none_match: str
    head: bool


def parse_cacheable_request(scope: Scope) -> CacheableRequest | None:
    """Return what a public response may depend on, or None if only Django may answer the request."""
    if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
        return None
    found = _headers(scope)
    if b"authorization" in found or b"if-match" in found or b"if-unmodified-since" in found:
        return None  # the response may be private, or a 412
    accept, host = found.get(b"accept", b"*/*"), found.get(b"host", b"")
    accept_encoding = found.get(b"accept-encoding", b"")
    if len(accept) + len(host) + len(accept_encoding) > MAX_HEADER_BYTES:
        return None
    if not _wants_json(accept) or not _host_allowed(host):
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
        takes_gzip_cached(accept_encoding.decode("latin-1")),
        _text(found.get(b"if-none-match")) or "",
        scope["method"] == "HEAD",
    )


def _text(value: bytes | None) -> str | None:
    return value if value is None else value.decode("latin-1")


def _headers(scope: Scope) -> dict[bytes, bytes]:
    """Return the headers as Django reads them: repeated ones are joined.

    If the two read different ones of a repeated header, a client could poison the cache with them.
    """
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
    """Return True if JSON is accepted. Names are compared whole: Django answers 406 to `application/json-seq`."""
    return _JSON.search(accept) is not None


@lru_cache(maxsize=1024)
def _host_allowed(host: bytes) -> bool:
    """Apply Django's own host check, so that Django answers a forged Host with its 400."""
    domain, _ = split_domain_port(host.decode("latin-1"))
    return bool(domain) and validate_host(domain, settings.ALLOWED_HOSTS)
