"""How long a value lives, how fresh a stored one is, and when one caller refreshes it before it runs out.

XFetch: Vattani, Chierichetti, Lowenstein, "Optimal Probabilistic Cache Stampede Prevention", VLDB 2015, with the
compute time measured when the value was stored.
"""

import math
import random
from collections.abc import Callable
from enum import Enum

from cachecore import clock
from cachecore.keys import Family
from cachecore.storage.envelope import Envelope, Payload, Times
from cachecore.ttl import effective_ttl

LEAST_SECONDS = 0.001  # what Redis can keep
LONGEST_DRAW = 37.0  # -log of the least that `1 - random()` can be, 2**-53


class Freshness(Enum):
    FRESH = "fresh"
    EARLY = "early"  # fresh, and this caller is drawn to refresh it
    STALE = "stale"  # past its logical expiry; may be served while one caller refreshes
    EXPIRED = "dead"


def early_by_ms(envelope: Envelope, beta: float, draw: Callable[[], float] = random.random) -> float:
    """How long before its logical expiry this caller takes the value for run out. `draw` yields [0, 1)."""
    if beta <= 0 or envelope.compute_seconds <= 0:
        return 0.0
    return -envelope.compute_seconds * 1000 * beta * math.log(1 - draw())


def classify(envelope: Envelope, now_ms: int, beta: float, draw: Callable[[], float] = random.random) -> Freshness:
    if now_ms >= envelope.hard_ms:
        return Freshness.EXPIRED
    if now_ms >= envelope.soft_ms:
        return Freshness.STALE
    if now_ms + envelope.compute_seconds * 1000 * beta * LONGEST_DRAW < envelope.soft_ms:
        return Freshness.FRESH  # whatever would be drawn
    if now_ms + early_by_ms(envelope, beta, draw) >= envelope.soft_ms:
        return Freshness.EARLY
    return Freshness.FRESH


def expiry_times(family: Family, ttl_seconds: float, payload: Payload, compute_seconds: float) -> Times:
    """Of a value stored now. Jitter shortens both lives alike; what was not found lives shortly."""
    ttl = min(ttl_seconds, family.options.negative_ttl_seconds) if payload.negative else ttl_seconds
    ttl = max(ttl, LEAST_SECONDS)
    hard = max(effective_ttl.jittered(ttl), LEAST_SECONDS)
    soft = hard if family.options.soft_ttl_seconds is None else min(hard, hard * family.options.soft_ttl_seconds / ttl)
    return Times(clock.now_ms(), soft, hard, compute_seconds)
