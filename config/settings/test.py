"""Settings of the test run. tests/servers.py starts the servers and sets DATABASE_URL and REDIS_URL."""

from config.settings.base import *

SECRET_KEY = "only-for-tests-0123456789-abcdefghijklmnopqrstuvwxyz-0123456789"  # noqa: S105
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
FEED = "none"
PLAY_SEED_KEYS = ["b25seS1mb3ItdGVzdHMtb25seS1mb3ItdGVzdHMtMDE="]  # 32 bytes
# No worker runs. A test calls the tasks itself.
CELERY_TASK_ALWAYS_EAGER = False
REDIS_BREAKER_SECONDS = 0.2
ANALYTICS_VERSION_EVERY_MS = 0
ENABLE_REDIS_RATE_LIMITING = False  # tests/cachecore/test_rate_limits.py switches it on
CACHE_STATS_FLUSH_SECONDS = 0  # tests flush explicitly
WHITENOISE_AUTOREFRESH = True

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # A file, as in `make run`: an in-memory database has no WAL and cannot be used by a second process. Django's test
    # runner creates it.
    DATABASES["default"]["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}
    del DATABASES["default"]["OPTIONS"]["factory"]
