import re
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from games.crash_points import parse_hundredths
from games.models import Game
from games.rounds import TIME_FIELDS, Round
from games.services import RejectedRounds, record_games, reverify, validate_only

_GAME_ID = re.compile(r"[0-9]{1,16}")
_HASH_PREFIX = re.compile(r"[0-9a-f]{1,64}")
AFTER_HEXADECIMAL = "g"  # sorts after every digit of a hash, in C and in the collations of languages


class GameForm(forms.ModelForm):  # type: ignore[type-arg]
    """Form for one game. Its values are recorded by `record_games`, like those of every other source."""

    crash_point = forms.CharField(help_text="For example 2.34")
    force = forms.BooleanField(required=False, help_text="Accept an id far ahead of the newest game.")

    class Meta:
        model = Game
        fields = ["game_id", "hash", *TIME_FIELDS]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is not None and "game_id" in self.fields:  # absent for users with view permission only
            self.fields["crash_point"].initial = self.instance.crash_point
            self.fields["game_id"].disabled = True

    def clean_crash_point(self) -> int:
        try:
            return parse_hundredths(self.cleaned_data["crash_point"])
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error

    def clean_hash(self) -> str | None:
        return self.cleaned_data["hash"] or None

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        for name in ("hash", *TIME_FIELDS):
            if name in self.changed_data and cleaned.get(name) is None:
                self.add_error(name, "A recorded value cannot be cleared. Delete the game and record it again.")
        if not self.errors:
            self._validate_round(bool(cleaned["force"]))
        return cleaned

    def _validate_round(self, force: bool) -> None:
        try:
            validate_only([self.reported_round()], source="admin", force=force)
        except RejectedRounds as rejected:
            for name, reasons in rejected.errors[0].items():
                self.add_error(name, reasons)

    def reported_round(self) -> Round:
        """Return a round with the changed fields only: the form cuts times to seconds, the table has milliseconds."""
        cleaned = self.cleaned_data
        return Round(
            game_id=cleaned["game_id"],
            crash_hundredths=cleaned["crash_point"],
            **{name: cleaned[name] for name in ("hash", *TIME_FIELDS) if name in self.changed_data},
        )


def _matches(search_term: str) -> Q:
    """Return the condition that every word of the search term is the game's id or the beginning of its hash."""
    found = Q()
    for word in search_term.lower().split():
        matches = Q(pk__in=[])
        if _HASH_PREFIX.fullmatch(word):
            matches |= Q(hash__gte=word, hash__lt=word + AFTER_HEXADECIMAL)
        if _GAME_ID.fullmatch(word):
            matches |= Q(game_id=int(word))
        found &= matches
    return found


@admin.register(Game)
class GameAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    form = GameForm
    list_display = ["game_id", "point", "verified", "formula", "end_time", "source"]
    list_filter = ["verified", "formula", "source", "end_time"]
    search_fields = ["game_id", "hash"]  # shows the search box; `get_search_results` searches
    search_help_text = "A game's id, or its hash or the beginning of it."
    readonly_fields = [
        "crashed_floor",
        "calculated",
        "verified",
        "formula",
        "source",
        "created_at",
        "updated_at",
    ]
    actions = ["verify_games"]
    show_full_result_count = False

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Game], search_term: str
    ) -> tuple[QuerySet[Game], bool]:
        """Return the games with this id or with a hash that begins so. No row occurs twice.

        Both are found through indexes. Django's own lookups convert each row's id to text and its hash to capitals.
        """
        return (queryset.filter(_matches(search_term)) if search_term.strip() else queryset), False

    @admin.display(description="crash point", ordering="crash_hundredths")
    def point(self, game: Game) -> str:
        return f"{game.crash_point:.2f}"

    @admin.display(description="calculated point", empty_value="-")
    def calculated(self, game: Game) -> str | None:
        return None if game.calculated_point is None else f"{game.calculated_point:.2f}"

    def save_model(self, request: HttpRequest, obj: Game, form: Any, change: bool) -> None:
        source = f"admin {request.user.get_username()}"[:64]
        record_games([form.reported_round()], source=source, force=form.cleaned_data["force"])
        obj.refresh_from_db()

    @admin.action(description="Re-verify the selected games", permissions=["change"])
    def verify_games(self, request: HttpRequest, queryset: QuerySet[Game]) -> None:
        ids = list(queryset.values_list("game_id", flat=True))
        changed = reverify(ids)
        LogEntry.objects.log_actions(
            request.user.pk,  # type: ignore[arg-type]  # the admin requires a logged-in user
            Game.objects.filter(game_id__in=changed),
            CHANGE,
            "Re-verified; the result changed.",
        )
        games = "game" if len(ids) == 1 else "games"
        self.message_user(request, f"Re-verified {len(ids)} {games}; {len(changed)} changed.")
