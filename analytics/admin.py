"""The live view under /admin/: where it stands, and its buttons. A worker does the work; the last runs are shown."""

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
TOLD = {"apply": "Pending and Newest game below tell when it is done."}
JOBS = {
    "apply": ("Apply what is pending?", "A worker applies every game that waits.", wakeup.WRITER_TASK),
    "reconcile": (
        "Reconcile the whole view?",
        "A worker compares every chunk and every count with the table, marks the games that differ and builds the view "
        "anew where a count does.",
        tasks.reconcile_all.name,
    ),
    "check": (
        "Check the whole view for drift?",
        "A worker applies what is pending and holds every cell against the table; it repairs nothing.",
        tasks.check_drift.name,
    ),
    "rebuild": (
        "Build the view anew?",
        "A worker builds it from the table and swaps it in; readers are served all along, stream clients get a reset.",
        tasks.rebuild.name,
    ),
}


def _wake(verb: str, task: str) -> Any:
    def act(_: str, by: Any) -> str:
        wakeup.enqueue(task)
        log_action(LiveView, by, VIEW, f"Asked a worker to {verb}.")
        return f"A worker is asked to {verb}. {TOLD.get(verb, 'Its outcome appears below.')}"

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
