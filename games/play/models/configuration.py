"""The configuration of the game as an operator has changed it. A key without a row has its default."""

from django.core.exceptions import ValidationError
from django.db import models

from games.play.configuration import DEFAULTS, InvalidConfiguration, parse_configuration


class GameConfig(models.Model):
    """One value of the configuration. A change never affects an open bet: a bet stores its own table."""

    key = models.CharField(max_length=32, primary_key=True, choices=[(key, key) for key in DEFAULTS])
    value = models.JSONField()
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "game_config"
        ordering = ["key"]
        verbose_name = "configuration value"

    def __str__(self) -> str:
        return self.key

    def clean(self) -> None:
        """Raise ValidationError unless the configuration is valid with this value."""
        others = dict(GameConfig.objects.exclude(pk=self.key).values_list("key", "value"))
        try:
            parse_configuration({**others, self.key: self.value})
        except InvalidConfiguration as error:
            message = str(error) if error.key == self.key else f"With this value, {error.key} is wrong. {error}"
            raise ValidationError({"value": message}) from error
