"""Messages between processes over the state role's pub/sub: at most once, in order, nothing kept.

A message published while a subscriber is away is lost to it. What must not be lost is a stream, a version or a row;
pub/sub only hastens.

    from cachecore import pubsub

    pubsub.subscribe("cache-invalidate", on_invalidate)      # one thread and one connection per process, from now on
    pubsub.publish("cache-invalidate", {"tags": ["games"]})  # any JSON value
    pubsub.unsubscribe("cache-invalidate", on_invalidate)    # True: it was subscribed
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
