"""Response headers that describe a caller's rate limit."""

from cachecore.rate_limits.windows import Quota

RETRY_SECONDS = 5  # for a 503 because the limits cannot be read; the circuit breaker probes every second


def rate_limit_headers(quota: Quota) -> dict[str, str]:
    """Return the headers of a quota. `RateLimit-Reset` is the time in seconds until one more slot is free."""
    return {
        "RateLimit-Limit": str(quota.limit),
        "RateLimit-Remaining": str(quota.remaining),
        "RateLimit-Reset": str(quota.next_seconds),
    }
