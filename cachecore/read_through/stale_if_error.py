"""A factory that raises: whether that is its answer or a failure, and what is served in a failure's place."""

import logging

from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.http import Http404

from cachecore.read_through.request import ReadRequest
from cachecore.read_through.stored_values import ReadResult
from cachecore.storage.envelope import Payload
from cachecore.storage.local_cache import LocalCache

logger = logging.getLogger(__name__)

# Answers of a factory, not failures: no old value is served in their place, and none is left for others.
AUTHORITATIVE_ERRORS = (ObjectDoesNotExist, Http404, PermissionDenied)


class DoNotServeStale(Exception):
    """Raised by a factory for its own caller: no old value is served in its place."""


def stale_fallback(ask: ReadRequest, seen: ReadResult, memory: LocalCache, error: BaseException) -> Payload | None:
    """Of a value that failed: the old one within its hard life, as Redis had it, else as this process last knew it."""
    if not isinstance(error, Exception) or isinstance(error, (*AUTHORITATIVE_ERRORS, DoNotServeStale)):
        return None
    payload = seen.payload
    if (
        payload is None
        and (entry := memory.get_unexpired(ask.key)) is not None
        and entry.requested_tags == ask.requested_tags
    ):
        payload = entry.payload
    if payload is not None:
        logger.warning("%s: the factory failed, its old value is served: %r", ask.family.name, error)
        ask.count("error")
        ask.count("stale")
    return payload
