"""Production settings. Secret or site-specific values come from the environment and have no default."""

from config.env import boolean, database, integer
from config.settings.base import *

SECRET_KEY = env.str("SECRET_KEY")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS")
database("")  # fails if DATABASE_URL is not set: in production it has no default

STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "web.staticfiles.StaticFiles"},
}

# https://docs.djangoproject.com/en/5.2/topics/security/ ; TLS ends at the proxy in front of Granian.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
# One proxy, which ends TLS: the client's address is the last one in X-Forwarded-For.
NUM_PROXIES = integer("NUM_PROXIES", 1)
REST_FRAMEWORK = {**REST_FRAMEWORK, "NUM_PROXIES": NUM_PROXIES}
SECURE_SSL_REDIRECT = boolean("SECURE_SSL_REDIRECT", True)
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]  # probes and Prometheus use no TLS
SECURE_HSTS_SECONDS = integer("SECURE_HSTS_SECONDS", 365 * 24 * 60 * 60)
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
