"""Admin pages for things that are not database rows: an overview, and operations that ask for confirmation.

Every page and operation requires a permission, and every operation is logged.
"""

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import AbstractUser
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

logger = logging.getLogger(__name__)


def no_fields(name: str) -> Mapping[str, forms.Field]:
    return {}


@dataclass(frozen=True, slots=True)
class Operation:
    """A button: the question that it asks, its consequence, and the function that acts on a name.

    `act` returns the message to show. `fields` are form fields whose values `act` gets by keyword.
    """

    question: str
    consequence: str
    act: Callable[..., str]
    fields: Callable[[str], Mapping[str, forms.Field]] = no_fields


class OperationsAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """An admin page with operations on a model without a table.

    The model gives the page its place in the admin, its permissions and its log. Viewing the page requires the model's
    `view` permission, an operation its `change` permission.
    """

    page_title: ClassVar[str]
    page_template: ClassVar[str]
    operations: ClassVar[Mapping[str, Operation]]
    expected_errors: ClassVar[tuple[type[Exception], ...]]  # raised by `act`; their text is shown to the operator

    def page_context(self, request: HttpRequest) -> dict[str, Any]:
        raise NotImplementedError

    def valid_names(self, verb: str) -> Collection[str]:
        """Return the names that the operation accepts."""
        raise NotImplementedError

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("", view(self.overview), name=self._url_name("changelist")),
            path("<slug:verb>/<str:name>/", view(self.confirm), name=self._url_name("ask")),
        ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def overview(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        may_change = self.has_change_permission(request)
        context = self.page_context(request)
        return self._page(request, self.page_template, title=self.page_title, may_change=may_change, **context)

    def confirm(self, request: HttpRequest, verb: str, name: str) -> HttpResponse:
        """Ask for confirmation on GET and act on POST, so that following a link changes nothing."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        operation = self.operations.get(verb)
        if operation is None or name not in self.valid_names(verb):
            raise Http404
        form = _form(operation.fields(name), request)
        if not form.is_valid():
            title = operation.question.format(name=name)
            return self._page(request, "cachecore/ask.html", title=title, operation=operation, form=form)
        try:
            self.message_user(request, operation.act(name, request.user, **form.cleaned_data))
        except self.expected_errors as error:
            self.message_user(request, f"Not done: {error}", messages.ERROR)
        return HttpResponseRedirect(self._overview_url)

    def _page(self, request: HttpRequest, template: str, **context: Any) -> TemplateResponse:
        shared = {**self.admin_site.each_context(request), "opts": self.opts, "overview": self._overview_url}
        return TemplateResponse(request, template, {**shared, **context})

    def _url_name(self, page: str) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{page}"

    @property
    def _overview_url(self) -> str:
        return reverse(f"admin:{self._url_name('changelist')}")


def _form(fields: Mapping[str, forms.Field], request: HttpRequest) -> forms.Form:
    """Return the operation's form. On a GET it is unbound, and therefore not valid."""
    form = forms.Form(request.POST if request.method == "POST" else None)
    form.fields.update(fields)
    return form


def log_action(model: type[Model], by: AbstractUser, name: str, what: str, flag: int = CHANGE) -> None:
    """Record what a user did, in the process's log and in the admin's."""
    name, what = _printable(name), _printable(what)
    logger.warning("%r: %s", by.get_username(), what)
    LogEntry.objects.create(
        user_id=by.pk,
        content_type=ContentType.objects.get_for_model(model),
        object_id=name,
        object_repr=name[:200],
        action_flag=flag,
        change_message=what,
    )


def _printable(text: str) -> str:
    """Escape control characters: a tag with a line break could forge a line of the log, and PostgreSQL rejects NUL."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)
