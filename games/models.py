"""Games as recorded. The table is the source of truth."""

from decimal import Decimal

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Length
from django.db.models.lookups import Exact

from games.fairness import MAX_CRASH_HUNDREDTHS

MIN_GAME_ID = 1
MAX_GAME_ID = 2**53 - 1  # the live view keeps ids as doubles


class Game(models.Model):
    """One game of the site. Crash points are integers in hundredths, because SQLite stores decimals as floats."""

    game_id = models.BigIntegerField(primary_key=True)
    hash = models.CharField(
        max_length=64, unique=True, null=True, blank=True, help_text="64 hex digits; empty where unknown."
    )
    crash_hundredths = models.BigIntegerField(help_text="The crash point in hundredths: 2.34x is 234.")
    crashed_floor = models.GeneratedField(
        expression=F("crash_hundredths") / 100, output_field=models.BigIntegerField(), db_persist=True
    )
    calculated_hundredths = models.BigIntegerField(
        null=True,
        blank=True,
        editable=False,
        help_text="What the hash gives; empty where it cannot be known.",
    )
    verified = models.BooleanField(
        null=True,
        editable=False,
        help_text="Whether the hash gives the crash point; empty where it cannot be known.",
    )
    linked = models.BooleanField(
        null=True,
        editable=False,
        help_text="Whether the hash leads to the previous game's; empty where it cannot be known.",
    )
    formula = models.CharField(max_length=32, blank=True, editable=False, help_text="The era that verified it.")
    prepare_time = models.DateTimeField(null=True, blank=True)
    begin_time = models.DateTimeField(null=True, blank=True)
    end_time = models.DateTimeField(null=True, blank=True)
    source = models.CharField(max_length=64, help_text="Where the stored values come from.")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-game_id"]
        permissions = [("ingest_games", "Can record games over the API")]
        constraints = [
            models.CheckConstraint(
                name="game_id_in_range", condition=Q(game_id__gte=MIN_GAME_ID, game_id__lte=MAX_GAME_ID)
            ),
            models.CheckConstraint(
                name="crash_point_in_range",
                condition=Q(crash_hundredths__gte=100, crash_hundredths__lte=MAX_CRASH_HUNDREDTHS),
            ),
            models.CheckConstraint(name="hash_has_64_digits", condition=Exact(Length("hash"), 64)),
            models.CheckConstraint(name="source_is_told", condition=~Q(source="")),
        ]
        indexes = [
            models.Index(name="game_end_time", fields=["end_time"], condition=Q(end_time__isnull=False)),
            models.Index(name="game_crash_point", fields=["crash_hundredths", "game_id"]),
            models.Index(name="game_not_verified", fields=["game_id"], condition=Q(verified=False)),
            models.Index(name="game_unverifiable", fields=["game_id"], condition=Q(verified=None)),
            models.Index(name="game_chain_broken", fields=["game_id"], condition=Q(linked=False)),
            models.Index(name="game_not_linked", fields=["game_id"], condition=Q(linked=None)),
        ]

    def __str__(self) -> str:
        return f"game {self.game_id}: {self.crash_point:.2f}x"

    @property
    def crash_point(self) -> Decimal:
        return Decimal(self.crash_hundredths) / 100

    @property
    def calculated_point(self) -> Decimal | None:
        return None if self.calculated_hundredths is None else Decimal(self.calculated_hundredths) / 100
