"""The body of every error of the step game: that of the API, with a code and where it helps the session."""

from typing import Any

from rest_framework import serializers

from games.play.clock import iso_ms
from games.play.errors import PlayerLimited, PlayError
from games.play.selectors.sessions import session_of
from games.play.serializers.fields import TimeField
from games.play.serializers.sessions import SessionSerializer


class PlayErrorSerializer(serializers.Serializer[Any]):
    """The body of every error of the step game."""

    detail = serializers.CharField(help_text="What is wrong, for people.")
    code = serializers.CharField(help_text="What is wrong, for programs.")
    errors = serializers.DictField(required=False, help_text="Field -> reasons.")  # type: ignore[assignment]
    session = SessionSerializer(required=False, help_text="The bet as it is, where the error is about one.")
    limit = serializers.CharField(required=False, help_text="The player's limit that refused the bet.")
    until = TimeField(required=False, help_text="When the limit ends.")


def error_body(error: PlayError) -> dict[str, Any]:
    body: dict[str, Any] = {"detail": error.detail, "code": error.code}
    if error.errors is not None:
        body["errors"] = error.errors
    if error.bet is not None:
        body["session"] = dict(SessionSerializer(session_of(error.bet)).data)
    if isinstance(error, PlayerLimited):
        body |= {"limit": error.limit, "until": iso_ms(error.until)}
    return body
