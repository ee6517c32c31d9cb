"""https://docs.djangoproject.com/en/5.2/ref/databases/"""

from typing import Any

from config.env import DATA_DIR, database, whole
from config.sqlite import ExistingDatabase

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# What libpq bounds: a host that is not there any more, or a network that swallows packets, ends a connection in about
# ten seconds instead of some fifteen minutes (a question underway) or two hours (an answer awaited). It cannot bound a
# server that lives and does not answer, nor anything over a Unix socket, where all but the first is ignored.
# A query part of DATABASE_URL wins: ?tcp_user_timeout=5000. https://www.postgresql.org/docs/current/libpq-connect.html
TIME_LIMITS = {
    "connect_timeout": 3,  # seconds
    "tcp_user_timeout": 10_000,  # ms that what was sent may stay unacknowledged
    "keepalives_idle": 5,  # seconds of silence before it is asked whether the other end is there
    "keepalives_interval": 2,  # seconds
    "keepalives_count": 3,  # where the system has no tcp_user_timeout
}

DATABASES: dict[str, dict[str, Any]] = {"default": database(f"sqlite:///{DATA_DIR / 'crash.sqlite3'}")}

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # Four processes write: readers never wait (WAL), and a writer takes its lock at BEGIN, where the
    # busy timeout applies, instead of failing when it upgrades a read lock half-way through.
    DATABASES["default"]["OPTIONS"] = {
        "factory": ExistingDatabase,
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,  # seconds
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
else:
    DATABASES["default"]["OPTIONS"] = TIME_LIMITS | DATABASES["default"].get("OPTIONS", {})
    DATABASES["default"]["CONN_MAX_AGE"] = whole("DATABASE_CONN_MAX_AGE", 60)
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
