"""Settings shared by all environments. Topics have files of their own; secrets have no defaults here."""

from corsheaders.defaults import default_headers

from config.env import BASE_DIR, boolean, choice, env, integer, positive_number
from config.settings.caches import *
from config.settings.celery import *
from config.settings.database import *
from config.settings.logging import *
from config.settings.play import *
from config.settings.rest import *
from config.settings.stream import *
from config.settings.throttling import *
from games.fairness import SITES

DEBUG = False
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = [
    "web.apps.WebConfig",  # first: its admin/base_site.html overrides Django's
    "config.apps.ConfigApp",
    "cachecore.apps.CachecoreConfig",
    "tokens.apps.TokensConfig",
    "games.apps.GamesConfig",
    "games.play.apps.PlayConfig",
    "analytics.apps.AnalyticsConfig",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "corsheaders",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "web.csp.ContentSecurityPolicy",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "cachecore.rate_limits.login.LoginThrottle",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
ASGI_APPLICATION = "config.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True
FORMAT_MODULE_PATH = "config.formats"

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"

# Any page may read the public API: no response depends on cookies.
CORS_ALLOW_ALL_ORIGINS = boolean("CORS_ALLOW_ALL_ORIGINS", True)
CORS_ALLOWED_ORIGINS = env.list("CORS_ALLOWED_ORIGINS", default=[])
CORS_URLS_REGEX = r"^/+api/"
CORS_ALLOW_METHODS = ("GET", "HEAD", "OPTIONS")
CORS_ALLOW_HEADERS = (*default_headers, "x-timezone", "if-none-match", "last-event-id")
CORS_EXPOSE_HEADERS = (
    *("X-Cache", "X-Data-Version", "Age", "ETag"),
    *("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "Retry-After"),
)

X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"

# A larger body is rejected with 413, by the request guard before a thread is taken and by Django itself.
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
# Threads that run Django for requests without a cached response.
WSGI_THREADS = integer("WSGI_THREADS", 8, minimum=1)
EXPORT_THREADS = integer("EXPORT_THREADS", 2, minimum=1)  # exports that run at once; further ones wait

# One installation watches one site.
SITE = choice("SITE", "bcgame", SITES)
FEED = choice("FEED", "replay", ("replay", "bcgame", "none"))
REPLAY_SPEED = positive_number("REPLAY_SPEED", 1.0)
BCGAME_API_URL = env.str("BCGAME_API_URL", default="https://bc.game/api/game/bet/multi/history")

# The live view (docs/architecture.md).
ANALYTICS_CONDITIONS = env.list(
    "ANALYTICS_CONDITIONS",
    default=[
        *("min:1.01", "min:1.5", "min:2", "min:3", "min:5", "min:10", "min:20", "min:50"),
        *("min:100", "min:500", "min:1000"),
        *("max:1.2", "max:1.5", "max:2"),
        *("floor:1", "floor:2", "floor:3", "floor:5", "floor:10"),
    ],
)
ANALYTICS_LEDGER_GAMES = integer("ANALYTICS_LEDGER_GAMES", 1_000_000, minimum=1)
ANALYTICS_BUCKET_DAYS = integer("ANALYTICS_BUCKET_DAYS", 90, minimum=1)
# A change of games older than the ledger requires a rebuild of the view, at most one per this time; 0: at once.
# Until then all-time responses come from the database.
ANALYTICS_REBUILD_EVERY_SECONDS = positive_number("ANALYTICS_REBUILD_EVERY_SECONDS", 60, allow_zero=True)
# Every version makes readers recompute, so changes are collected and the version rises at most twenty times a second.
# At ten times, a game just after another one becomes visible after more than 100 ms (benchmarks/visible.py).
ANALYTICS_VERSION_EVERY_MS = integer("ANALYTICS_VERSION_EVERY_MS", 50)
