"""How Django's own types are stored, and which values are refused."""

import pytest
from django.contrib.auth.models import User
from django.utils.html import format_html
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy

from cachecore.storage import envelope as envelopes
from tests.cachecore.test_envelope import PLAIN, family, read, stored


@pytest.mark.parametrize("encoding", ["msgpack", "json"])
def test_rendered_and_lazy_texts_are_stored_as_plain_texts(encoding):
    kind = family(f"envelope-texts-{encoding}", encoding=encoding)
    value = {"html": format_html("<b>{}</b>", "<&>"), "label": gettext_lazy("Yes"), "bare": mark_safe("<i>")}
    found = read(kind, stored(kind, value))
    assert found == {"html": "<b>&lt;&amp;&gt;</b>", "label": "Yes", "bare": "<i>"}
    assert {type(one) for one in found.values()} == {str}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (User.objects.all(), r"A QuerySet cannot be stored; store list\(queryset.values\(...\)\)\."),
        ([User()], r"A User cannot be stored; store a dictionary of the fields that are shown\."),
        (object(), r"Objects of type object cannot be stored\."),
    ],
    ids=["queryset", "model", "anything"],
)
def test_a_value_that_cannot_be_stored_raises_with_advice(value, message):
    with pytest.raises(TypeError, match=rf"^Family envelope-plain: {message}$"):
        envelopes.pack(PLAIN, value)
