"""The live view under /admin/: permissions, and what its buttons do."""

import json

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from analytics import selectors, services, tasks
from cachecore.redis_client import connections
from tests.analytics import games

pytestmark = pytest.mark.django_db

PAGE = reverse("admin:analytics_liveview_changelist")


def action_url(verb: str) -> str:
    return reverse("admin:analytics_liveview_ask", args=[verb, "view"])


@pytest.fixture
def staff(client):
    def with_permissions(*codenames: str) -> Client:
        user = User.objects.create(username="operator", is_staff=True)
        user.user_permissions.add(*Permission.objects.filter(codename__in=codenames))
        client.force_login(user)
        return client

    return with_permissions


def queued_tasks() -> list[str]:
    """Return the names of the tasks in the broker's queue; no worker runs here."""
    with connections.guarded_client("state") as client:
        return [json.loads(message)["headers"]["task"] for message in client.lrange("celery", 0, -1)]


def test_the_page_shows_the_state_of_the_view(staff):
    games.put_all({1: (200, 1_780_745_451_691), 2: (100, 0)})
    services.apply_pending()
    tasks.reconcile_newest()
    response = staff("view_liveview").get(PAGE)
    status, size = response.context["status"], response.context["size"]
    assert (status["view"], status["applied_games"], status["pending"]) == ("current", 2, 0)
    assert (size["floor"], size["chunks"], size["series_missing"]) == (0, 1, 0)
    assert size["memory_bytes"] > 1_000
    assert response.context["jobs"]["reconcile-newest"].result == {"chunks": 1, "marked": 0}
    assert "Rebuild" not in response.content.decode()  # buttons need the change permission


def test_without_a_view_or_redis_the_page_says_so(staff, valkey):
    client = staff("view_liveview")
    assert "The view is absent: data come from the database." in client.get(PAGE).content.decode()
    valkey.stop()
    assert "The view is unavailable" in client.get(PAGE).content.decode()


@pytest.mark.parametrize(
    ("verb", "task"),
    [
        ("apply", "analytics.tasks.apply_pending"),
        ("reconcile", "analytics.tasks.reconcile_all"),
        ("check", "analytics.tasks.check_drift"),
        ("rebuild", "analytics.tasks.rebuild"),
    ],
)
def test_a_button_asks_for_confirmation_then_queues_a_task_and_is_logged(staff, verb, task):
    client = staff("view_liveview", "change_liveview")
    assert client.get(action_url(verb)).status_code == 200
    assert queued_tasks() == []
    assert client.post(action_url(verb)).url == PAGE
    assert queued_tasks() == [task]
    assert LogEntry.objects.get().change_message == f"Queued for a worker: {verb}."


def test_an_unavailable_broker_is_reported_and_nothing_is_logged(staff, valkey):
    client = staff("view_liveview", "change_liveview")
    valkey.stop()
    response = client.post(action_url("rebuild"), follow=True)
    (message,) = response.context["messages"]
    assert str(message).startswith("Not done: ")
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("permissions", [(), ("view_liveview",), ("change_game",)])
@pytest.mark.parametrize("method", ["get", "post"])
def test_staff_without_the_permission_cannot_use_a_button(staff, permissions, method):
    client = staff(*permissions)
    assert getattr(client, method)(action_url("rebuild")).status_code == 403
    assert queued_tasks() == []
    assert client.get(PAGE).status_code == (200 if "view_liveview" in permissions else 403)


def test_an_anonymous_client_is_redirected_to_the_login(client):
    assert client.get(PAGE).url == f"/admin/login/?next={PAGE}"
    assert client.post(action_url("rebuild")).status_code == 302
    assert queued_tasks() == []


def test_an_unknown_verb_is_not_found(staff):
    assert staff("change_liveview").get(action_url("destroy")).status_code == 404


def test_the_tasks_rebuild_and_check_the_view():
    games.put_all({1: (200, 0), 2: (100, 0)})
    assert tasks.rebuild()["games"] == 2
    assert tasks.check_drift() == {"cells": 0, "first": None}
    with connections.guarded_client("state") as client:
        client.hincrby("{analytics}:occurrences:min:2", "count", 5)
    assert tasks.check_drift() == {
        "cells": 1,
        "first": "{analytics}:occurrences:min:2 count: 6, should be 1",
    }


def test_drift_and_its_repair_are_counted():
    games.put_all({1: (200, 0), 2: (100, 0)})
    services.apply_pending()
    games.put(2, 300)
    tasks.reconcile_newest()
    assert drift() == {"found": 1, "repaired": 0}
    services.apply_pending()
    assert drift() == {"found": 1, "repaired": 1}


def drift() -> dict:
    return selectors.status()["drift"]
