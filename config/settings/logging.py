"""Logging: one line per event on standard error, which the process manager stores."""

from config.env import choice

APPS = ("web", "analytics", "games", "tokens", "cachecore")
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": choice("LOG_LEVEL", "WARNING", LEVELS)},
    "loggers": {name: {"level": choice("LOG_LEVEL", "INFO", LEVELS)} for name in APPS},
}
