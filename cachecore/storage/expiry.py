"""Compute the soft and hard expiry of a value, classify a stored one, and choose callers that refresh it early.

Early refresh is XFetch: Vattani, Chierichetti, Lowenstein, "Optimal Probabilistic Cache Stampede Prevention", VLDB
2015, with the compute time that was measured when the value was stored.
"""

import math
import random
from collections.abc import Callable
from enum import Enum

from cachecore import clock
from cachecore.keys import Family
from cachecore.storage.envelope import Envelope, Payload, Times
from cachecore.ttl import effective_ttl

MIN_TTL_SECONDS = 0.001  # the shortest TTL that Redis accepts
MAX_LOG_DRAW = 37.0  # -log of the least value of `1 - random()`, 2**-53


class Freshness(Enum):
    FRESH = "fresh"
    EARLY = "early"  # fresh, but this caller was chosen at random to refresh it early
    STALE = "stale"  # past its soft expiry: may be served while one caller refreshes it
    EXPIRED = "expired"  # past its hard expiry


def early_by_ms(envelope: Envelope, beta: float, draw: Callable[[], float] = random.random) -> float:
    """Return how many ms before the soft expiry this caller treats the value as expired, at random.

    `draw` returns a random number in [0, 1).
    """
    if beta <= 0 or envelope.compute_seconds <= 0:
        return 0.0
    return -envelope.compute_seconds * 1000 * beta * math.log(1 - draw())


def classify(envelope: Envelope, now_ms: int, beta: float, draw: Callable[[], float] = random.random) -> Freshness:
    """Return how fresh a stored value is for this caller."""
    if now_ms >= envelope.hard_ms:
        return Freshness.EXPIRED
    if now_ms >= envelope.soft_ms:
        return Freshness.STALE
    if now_ms + envelope.compute_seconds * 1000 * beta * MAX_LOG_DRAW < envelope.soft_ms:
        return Freshness.FRESH  # too far from its expiry for any draw
    if now_ms + early_by_ms(envelope, beta, draw) >= envelope.soft_ms:
        return Freshness.EARLY
    return Freshness.FRESH


def expiry_times(family: Family, ttl_seconds: float, payload: Payload, compute_seconds: float) -> Times:
    """Return the times of a value that is stored now. Jitter shortens both TTLs by the same factor.

    NOT_FOUND has the family's negative TTL.
    """
    ttl = min(ttl_seconds, family.options.negative_ttl_seconds) if payload.negative else ttl_seconds
    ttl = max(ttl, MIN_TTL_SECONDS)
    hard = max(effective_ttl.jittered(ttl), MIN_TTL_SECONDS)
    soft = hard if family.options.soft_ttl_seconds is None else min(hard, hard * family.options.soft_ttl_seconds / ttl)
    return Times(clock.now_ms(), soft, hard, compute_seconds)
