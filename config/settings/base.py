"""What every environment shares. Topics have files of their own; secrets have no defaults here."""

from corsheaders.defaults import default_headers

from config.env import BASE_DIR, choice, env, flag, number, whole
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

# The public API may be read from any page; nothing it answers depends on cookies.
CORS_ALLOW_ALL_ORIGINS = flag("CORS_ALLOW_ALL_ORIGINS", True)
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

# A larger body is refused with 413 before a thread is taken (config/asgi.py) and by Django itself.
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
# Threads that run Django for what the front door cannot answer from the cache.
WSGI_THREADS = whole("WSGI_THREADS", 8, least=1)
EXPORT_THREADS = whole("EXPORT_THREADS", 2, least=1)  # so many exports at once; further ones wait

# One installation watches one site.
SITE = choice("SITE", "bcgame", SITES)
FEED = choice("FEED", "replay", ("replay", "bcgame", "none"))
REPLAY_SPEED = number("REPLAY_SPEED", 1.0)
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
ANALYTICS_LEDGER_GAMES = whole("ANALYTICS_LEDGER_GAMES", 1_000_000, least=1)
ANALYTICS_BUCKET_DAYS = whole("ANALYTICS_BUCKET_DAYS", 90, least=1)
# What changes below the ledger is taken in by building the view anew, at most this often; 0: at once. Until then
# all-time answers come from the table.
ANALYTICS_REBUILD_EVERY_SECONDS = number("ANALYTICS_REBUILD_EVERY_SECONDS", 60, or_zero=True)
# Readers recompute after every version: bursts are gathered so that it rises at most twenty times a second; at
# ten, a game that follows another at once is seen after more than 100 ms (benchmarks/visible.py).
ANALYTICS_VERSION_EVERY_MS = whole("ANALYTICS_VERSION_EVERY_MS", 50)
