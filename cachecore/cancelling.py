"""Ending tasks of an event loop for sure."""

import asyncio
from collections.abc import Collection
from typing import Any

AGAIN_SECONDS = 0.1


async def end(tasks: Collection["asyncio.Task[Any]"], again_seconds: float = AGAIN_SECONDS) -> None:
    """Cancel until they have ended: redis-py 8.1 now and then swallows a cancellation that comes while it reads.

    What they raised is dropped. A task that itself ends others needs longer than they do before it is cancelled again.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=again_seconds)
    await asyncio.gather(*tasks, return_exceptions=True)
