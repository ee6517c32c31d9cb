"""Everything secret or site-specific comes from the environment and has no default."""

from config.env import database, flag, whole
from config.settings.base import *

SECRET_KEY = env.str("SECRET_KEY")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS")
database("")  # it has been read; here it has no default either

STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "web.staticfiles.StaticFiles"},
}

# https://docs.djangoproject.com/en/5.2/topics/security/ ; TLS ends at the proxy in front of Granian.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
# One proxy, the one where TLS ends: the client's address is the last that it wrote into X-Forwarded-For.
NUM_PROXIES = whole("NUM_PROXIES", 1)
REST_FRAMEWORK = {**REST_FRAMEWORK, "NUM_PROXIES": NUM_PROXIES}
SECURE_SSL_REDIRECT = flag("SECURE_SSL_REDIRECT", True)
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]  # probes and scrapes come without TLS
SECURE_HSTS_SECONDS = whole("SECURE_HSTS_SECONDS", 365 * 24 * 60 * 60)
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
