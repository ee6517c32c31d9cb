"""The log of actions in the admin can be read there, and not changed."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from tests.web.html import page

pytestmark = pytest.mark.django_db

LOG = reverse("admin:admin_logentry_changelist")


@pytest.fixture
def auditor():
    user = User.objects.create_user("auditor", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_logentry"))
    client = Client()
    client.force_login(user)
    return client


def test_users_with_the_permission_see_all_actions(admin_client, auditor):
    admin_client.post(reverse("admin:cachecore_cache_ask", args=["bump", "games"]))
    text = page(auditor.get(LOG)).text
    assert "admin" in text
    assert "games" in text
    assert LogEntry.objects.get().change_message in text


def test_other_users_do_not_see_the_log(client, django_user_model):
    client.force_login(django_user_model.objects.create_user("clerk", is_staff=True))
    assert client.get(LOG).status_code == 403


def test_the_log_cannot_be_changed(admin_client):
    admin_client.post(reverse("admin:cachecore_cache_ask", args=["bump", "games"]))
    entry = LogEntry.objects.get()
    for page_, status in [("add", 403), ("delete", 403), ("change", 403)]:
        arguments = [] if page_ == "add" else [entry.pk]
        assert admin_client.post(reverse(f"admin:admin_logentry_{page_}", args=arguments)).status_code == status
    chosen = {"action": "delete_selected", "_selected_action": [entry.pk], "post": "yes"}
    admin_client.post(LOG, chosen)
    assert LogEntry.objects.get() == entry
