"""Cancel asyncio tasks reliably."""

import asyncio
from collections.abc import Collection
from typing import Any

RETRY_SECONDS = 0.1


async def cancel_and_wait(tasks: Collection["asyncio.Task[Any]"], retry_seconds: float = RETRY_SECONDS) -> None:
    """Cancel tasks until they have ended: redis-py 8.1 sometimes swallows a cancellation that arrives while it reads.

    Exceptions of the tasks are dropped. Pass a larger `retry_seconds` for a task that itself cancels others, so that it
    is not cancelled again before they have ended.
    """
    running = set(tasks)
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=retry_seconds)
    await asyncio.gather(*tasks, return_exceptions=True)
