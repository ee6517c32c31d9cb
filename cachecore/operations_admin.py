"""An admin page for what is not rows: one overview, and buttons that ask before they act, each behind a permission."""

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
    """A button: what it asks, what follows, what it does with the name and says then.

    With `fields` it also asks for values, which `act` takes by keyword.
    """

    question: str
    consequence: str
    act: Callable[..., str]
    fields: Callable[[str], Mapping[str, forms.Field]] = no_fields


class OperationsAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Seeing the page needs the model's `view` permission, pressing a button its `change` permission.

    The model has no table: it gives the page its place, its permissions and its log.
    """

    page_title: ClassVar[str]
    page_template: ClassVar[str]
    operations: ClassVar[Mapping[str, Operation]]
    expected_errors: ClassVar[tuple[type[Exception], ...]]  # what an act may raise; its text is fit for the operator

    def page_context(self, request: HttpRequest) -> dict[str, Any]:
        raise NotImplementedError

    def valid_names(self, verb: str) -> Collection[str]:
        """The names that a button may be pressed for."""
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
        """GET asks, POST acts: a link that somebody follows changes nothing."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        question = self.operations.get(verb)
        if question is None or name not in self.valid_names(verb):
            raise Http404
        form = _form(question.fields(name), request)
        if not form.is_valid():
            title = question.question.format(name=name)
            return self._page(request, "cachecore/ask.html", title=title, question=question, form=form)
        try:
            self.message_user(request, question.act(name, request.user, **form.cleaned_data))
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
    """Without a POST it is bound to nothing, so it is not valid."""
    form = forms.Form(request.POST if request.method == "POST" else None)
    form.fields.update(fields)
    return form


def log_action(model: type[Model], by: AbstractUser, name: str, what: str, flag: int = CHANGE) -> None:
    """Who did it, in the process's log and in admin's."""
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
    """A tag may be any text: a line's end would forge a line of the log, and PostgreSQL refuses a NUL."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)
