"""https://docs.djangoproject.com/en/5.2/ref/databases/"""

from typing import Any

from config.env import DATA_DIR, database, integer
from config.sqlite import ExistingDatabase

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Time limits of libpq. If the database's host vanishes, or the network drops packets, a connection fails in about ten
# seconds instead of some fifteen minutes (while sending a query) or two hours (while waiting for its result). They do
# not limit the wait for a server that is alive but does not answer. Over a Unix socket, only the first one applies.
# Parameters of DATABASE_URL take precedence: ?tcp_user_timeout=5000.
# https://www.postgresql.org/docs/current/libpq-connect.html
TIME_LIMITS = {
    "connect_timeout": 3,  # seconds
    "tcp_user_timeout": 10_000,  # ms that sent data may remain unacknowledged
    "keepalives_idle": 5,  # seconds without traffic before the first keepalive probe
    "keepalives_interval": 2,  # seconds
    "keepalives_count": 3,  # for systems without tcp_user_timeout
}

DATABASES: dict[str, dict[str, Any]] = {"default": database(f"sqlite:///{DATA_DIR / 'crash.sqlite3'}")}

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # Four processes write. With WAL readers never wait. A writer takes its lock at BEGIN, where the busy timeout
    # applies; otherwise it would fail when it upgrades a read lock in the middle of a transaction.
    DATABASES["default"]["OPTIONS"] = {
        "factory": ExistingDatabase,
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,  # seconds
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
else:
    DATABASES["default"]["OPTIONS"] = TIME_LIMITS | DATABASES["default"].get("OPTIONS", {})
    DATABASES["default"]["CONN_MAX_AGE"] = integer("DATABASE_CONN_MAX_AGE", 60)
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
