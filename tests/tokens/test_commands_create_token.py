from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone

from tokens import services
from tokens.models import AccessToken

pytestmark = pytest.mark.django_db


def run(*arguments):
    out, err = StringIO(), StringIO()
    call_command("create_token", *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_the_token_is_alone_on_standard_output():
    user = User.objects.create(username="operator")
    out, err = run("operator", "--name", "prometheus", "--scope", "monitoring", "--expires-days", "30")
    token = services.find(out.strip())
    assert (token.user, token.name, token.scopes) == (user, "prometheus", ["monitoring"])
    assert abs(token.expires_at - timezone.now() - timedelta(days=30)) < timedelta(minutes=1)
    assert err == "This is the token 'prometheus' of operator. Send it as: Authorization: Token <token>\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nobody", "--scope", "ingest"], r"^There is no user nobody\.$"),
        (["gone", "--scope", "ingest"], r"^gone is not active: the token would be refused\.$"),
        (["operator", "--scope", "ingest", "--expires-days", "0"], r"^--expires-days must be at least 1\.$"),
        (["operator", "--scope", "everything"], r"invalid choice: 'everything'"),
        (["operator"], r"the following arguments are required: --scope"),
    ],
)
def test_wrong_input_is_one_line_and_creates_nothing(arguments, message):
    User.objects.create(username="operator")
    User.objects.create(username="gone", is_active=False)
    with pytest.raises(CommandError, match=message):
        run(*arguments)
    assert not AccessToken.objects.exists()


def test_a_name_is_used_once():
    User.objects.create(username="operator")
    run("operator", "--scope", "monitoring")
    with pytest.raises(CommandError, match=r"^This user already has a token of that name\.$"):
        run("operator", "--scope", "monitoring")
