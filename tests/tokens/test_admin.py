"""Access tokens under /admin/: shown once, never again, and no way to another user's permissions."""

import re

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.urls import reverse

from tests.factories.tokens import token_for
from tokens import services
from tokens.models import AccessToken

pytestmark = pytest.mark.django_db

LIST = reverse("admin:tokens_accesstoken_changelist")
ADD = reverse("admin:tokens_accesstoken_add")


def form(user, **changed):
    return {"user": user.pk, "name": "feeder", "scopes": ["ingest"], "expires_at_0": "", "expires_at_1": ""} | changed


def staff_with(*codenames):
    user = User.objects.create_user("staff", password="secret", is_staff=True)
    user.user_permissions.add(*Permission.objects.filter(codename__in=codenames))
    return user


def test_a_new_token_is_shown_once(admin_client, admin_user):
    response = admin_client.post(ADD, form(admin_user))
    [text] = re.findall(r"<code>(cmt_[\w-]+)</code>", response.content.decode())
    token = AccessToken.objects.get()
    assert services.find(text) == token
    assert "no-store" in response["Cache-Control"]
    assert text not in str(admin_client.cookies)
    for path in (LIST, reverse("admin:tokens_accesstoken_change", args=[token.pk])):
        content = admin_client.get(path).content.decode()
        assert text[:8] in content
        assert text not in content
        assert token.digest not in content
    assert text not in "".join(f"{entry.object_repr} {entry.change_message}" for entry in LogEntry.objects.all())


def test_a_change_keeps_the_token_and_may_narrow_it(admin_client, admin_user):
    text = token_for(admin_user, "ingest", "monitoring")
    token = AccessToken.objects.get()
    path = reverse("admin:tokens_accesstoken_change", args=[token.pk])
    assert admin_client.post(path, form(admin_user, scopes=["monitoring"])).status_code == 302
    assert (services.find(text), AccessToken.objects.get().scopes) == (token, ["monitoring"])


@pytest.mark.parametrize("scopes", [[], ["everything"]])
def test_scopes_are_some_of_those_there_are(admin_client, admin_user, scopes):
    response = admin_client.post(ADD, form(admin_user, scopes=scopes))
    assert (response.status_code, "scopes" in response.context["adminform"].form.errors) == (200, True)
    assert not AccessToken.objects.exists()


def test_a_name_is_used_once_per_user(admin_client, admin_user):
    admin_client.post(ADD, form(admin_user))
    response = admin_client.post(ADD, form(admin_user))
    assert "This user already has a token of that name." in response.content.decode()
    assert AccessToken.objects.count() == 1


def test_staff_cannot_create_a_token_of_a_superuser(client, admin_user):
    client.force_login(staff_with("add_accesstoken", "view_accesstoken"))
    response = client.post(ADD, form(admin_user))
    assert "user" in response.context["adminform"].form.errors
    assert not AccessToken.objects.exists()


def test_who_may_only_view_sees_no_token(client, admin_user):
    text = token_for(admin_user, "ingest")
    client.force_login(staff_with("view_accesstoken"))
    content = client.get(LIST).content.decode()
    assert text[:8] in content
    assert text not in content
