"""What an answer says of its limit."""

from cachecore.rate_limits.windows import Quota

RETRY_SECONDS = 5  # while the limits cannot be read; the breaker probes each second


def rate_limit_headers(quota: Quota) -> dict[str, str]:
    """`RateLimit-Reset` counts seconds until one more slot is free; on a 429 it is Retry-After."""
    return {
        "RateLimit-Limit": str(quota.limit),
        "RateLimit-Remaining": str(quota.remaining),
        "RateLimit-Reset": str(quota.next_seconds),
    }
