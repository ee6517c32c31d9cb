from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.models import AbstractUser
from django.db.models import ForeignKey
from django.forms import ModelChoiceField
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.cache import add_never_cache_headers

from tokens import services
from tokens.models import AccessToken
from tokens.scopes import SCOPES


class AccessTokenForm(forms.ModelForm):  # type: ignore[type-arg]
    scopes = forms.MultipleChoiceField(
        choices=[(name, f"{name}: {text}") for name, text in SCOPES.items()],
        widget=forms.CheckboxSelectMultiple,
        help_text="A scope only narrows what the user's own permissions allow.",
    )

    class Meta:
        model = AccessToken
        fields = ["user", "name", "scopes", "expires_at"]


@admin.register(AccessToken)
class AccessTokenAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """A token's text is shown once, on the page that follows its creation."""

    form = AccessTokenForm
    list_display = ["name", "user", "beginning", "granted", "created_at", "last_used_at", "expires_at"]
    list_select_related = ["user"]
    search_fields = ["name", "user__username", "prefix"]
    show_full_result_count = False

    @admin.display(description="begins with", ordering="prefix")
    def beginning(self, token: AccessToken) -> str:
        return f"{token.prefix}…"

    @admin.display(description="scopes")
    def granted(self, token: AccessToken) -> str:
        return ", ".join(token.scopes)

    def get_readonly_fields(self, request: HttpRequest, obj: AccessToken | None = None) -> list[str]:
        return [] if obj is None else ["user", "beginning", "created_at", "last_used_at"]

    def formfield_for_foreignkey(
        self, db_field: "ForeignKey[Any, Any]", request: HttpRequest, **kwargs: Any
    ) -> "ModelChoiceField[Any] | None":
        """Let only a superuser create tokens of others: a token has its user's permissions."""
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if db_field.name == "user" and field is not None and field.queryset is not None:
            user = request.user
            if not (isinstance(user, AbstractUser) and user.is_superuser):
                field.queryset = field.queryset.filter(pk=user.pk)
        return field

    def save_model(self, request: HttpRequest, obj: AccessToken, form: Any, change: bool) -> None:
        if not change:
            text = services.new_text()
            services.set_text(obj, text)
            request.__dict__["token_text"] = text
        super().save_model(request, obj, form, change)

    def response_add(
        self, request: HttpRequest, obj: AccessToken, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Show the text on a page of its own: a message would put it into a cookie."""
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"Token {obj.name} of {obj.user}",
            "text": request.__dict__["token_text"],
        }
        response = TemplateResponse(request, "tokens/created.html", context)
        add_never_cache_headers(response)
        return response
