"""The live view under /admin/: its state, the last runs of its jobs, and buttons that queue a job for a worker."""

from collections.abc import Collection
from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from analytics import selectors, tasks, wakeup
from analytics.models import LiveView
from cachecore.operations_admin import Operation, OperationsAdmin, log_action
from cachecore.redis_client.connections import RedisUnavailable
from cachecore.tasks import TaskNotQueued

VIEW = "view"
HINTS = {"apply": "Pending and Newest game below show when it is done."}
JOBS = {
    "apply": ("Apply the pending games?", "A worker applies every pending game.", wakeup.WRITER_TASK),
    "reconcile": (
        "Reconcile the whole view?",
        "A worker compares every chunk and every count with the table. It marks the games that differ, and rebuilds "
        "the view if a count differs.",
        tasks.reconcile_all.name,
    ),
    "check": (
        "Check the whole view for drift?",
        "A worker applies the pending games and compares every cell with the table. It repairs nothing.",
        tasks.check_drift.name,
    ),
    "rebuild": (
        "Rebuild the view?",
        "A worker builds a new view from the table and swaps it in. Readers are served throughout; "
        "stream clients get a reset.",
        tasks.rebuild.name,
    ),
}


def _wake(verb: str, task: str) -> Any:
    def act(_: str, by: Any) -> str:
        wakeup.enqueue(task)
        log_action(LiveView, by, VIEW, f"Queued for a worker: {verb}.")
        return f"Queued for a worker: {verb}. {HINTS.get(verb, 'The result appears below.')}"

    return act


@admin.register(LiveView)
class LiveViewAdmin(OperationsAdmin):
    page_title = "Live view"
    page_template = "analytics/live_view.html"
    operations = {verb: Operation(asks, follows, _wake(verb, task)) for verb, (asks, follows, task) in JOBS.items()}
    expected_errors = (TaskNotQueued, RedisUnavailable)

    def page_context(self, request: HttpRequest) -> dict[str, Any]:
        return {"status": selectors.status(), "size": selectors.size(), "jobs": selectors.jobs(), "verbs": JOBS}

    def valid_names(self, verb: str) -> Collection[str]:
        return (VIEW,)
