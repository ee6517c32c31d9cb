"""Messages between processes over the state role's pub/sub: delivered in order, at most once, and not stored.

A subscriber misses messages that are published while it has no connection. Data that must not be lost belong into a
stream, a version or a row; pub/sub only makes a change visible sooner.

    from cachecore import pubsub

    pubsub.subscribe("cache-invalidate", on_invalidate)      # starts one thread and one connection
    pubsub.publish("cache-invalidate", {"tags": ["games"]})  # any JSON value
    pubsub.unsubscribe("cache-invalidate", on_invalidate)    # True if it was subscribed
"""

import atexit

from cachecore.pubsub.registry import Callback, Message
from cachecore.pubsub.service import PubSub

shared = PubSub()
atexit.register(shared.close)

publish = shared.publish
subscribe = shared.subscribe
psubscribe = shared.psubscribe
unsubscribe = shared.unsubscribe
punsubscribe = shared.punsubscribe
ready = shared.ready
close = shared.close

__all__ = [
    "Callback",
    "Message",
    "PubSub",
    "close",
    "psubscribe",
    "publish",
    "punsubscribe",
    "ready",
    "shared",
    "subscribe",
    "unsubscribe",
]
