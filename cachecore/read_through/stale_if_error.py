"""Stale-if-error: serve the stale value if a factory fails, unless its exception is an authoritative result."""

import logging

from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.http import Http404

from cachecore.read_through.request import ReadRequest
from cachecore.read_through.stored_values import ReadResult
from cachecore.storage.envelope import Payload
from cachecore.storage.local_cache import LocalCache

logger = logging.getLogger(__name__)

# Results of a factory, not failures: no stale value is served instead, and the stored one is deleted.
AUTHORITATIVE_ERRORS = (ObjectDoesNotExist, Http404, PermissionDenied)


class DoNotServeStale(Exception):
    """Raised by a factory to its own caller: no stale value is served instead."""


def stale_fallback(
    read: ReadRequest, stored: ReadResult, local_cache: LocalCache, error: BaseException
) -> Payload | None:
    """Return the stale value for a factory that raised `error`: the one read from Redis, else the local one.

    Return None if the error is authoritative or there is no value before its hard expiry.
    """
    if not isinstance(error, Exception) or isinstance(error, (*AUTHORITATIVE_ERRORS, DoNotServeStale)):
        return None
    payload = stored.payload
    if (
        payload is None
        and (entry := local_cache.get_unexpired(read.key)) is not None
        and entry.requested_tags == read.requested_tags
    ):
        payload = entry.payload
    if payload is not None:
        logger.warning("A factory of family %s failed; its stale value is served: %r", read.family.name, error)
        read.count("error")
        read.count("stale")
    return payload
