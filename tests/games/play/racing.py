"""Calls that race: each in a thread with a connection of its own, released at the same moment."""

import os
from collections.abc import Callable
from threading import Barrier, Thread
from typing import Any

from django.db import connection

RACES = int(os.environ.get("PLAY_RACES", "8"))  # `make test-play-races`: 200


def race(*calls: Callable[[], Any]) -> list[Any]:
    """Run the calls at once. Return what each returned or raised, in their order."""
    barrier, outcomes = Barrier(len(calls)), [None] * len(calls)

    def run(number: int, call: Callable[[], Any]) -> None:
        try:
            connection.ensure_connection()
            barrier.wait(timeout=60)
            outcomes[number] = call()
        except Exception as error:  # noqa: BLE001 - it is the outcome
            outcomes[number] = error
        finally:
            connection.close()

    threads = [Thread(target=run, args=one) for one in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes
