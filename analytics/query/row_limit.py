"""The greatest number of rows in one response."""

from rest_framework import serializers

MAX_ROWS = 10_000


def reject_too_many_rows(parameter: str, rows: int) -> None:
    """Raise ValidationError, which names the parameter, if the response would have more than MAX_ROWS rows."""
    if rows > MAX_ROWS:
        raise serializers.ValidationError({parameter: [f"Would give {rows} rows; at most {MAX_ROWS} are allowed."]})
