"""https://www.django-rest-framework.org/api-guide/settings/ and https://drf-spectacular.readthedocs.io/"""

from typing import Any

from config.settings.throttling import NUM_PROXIES

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_RENDERER_CLASSES": ["cachecore.responses.renderer.MsgspecJSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "tokens.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.AllowAny"],
    "DEFAULT_THROTTLE_CLASSES": ["cachecore.rate_limits.rest.ScopeThrottle"],  # views name their scope
    "NUM_PROXIES": NUM_PROXIES,
    "DEFAULT_SCHEMA_CLASS": "config.openapi.Schema",
    "EXCEPTION_HANDLER": "config.exception_handler.exception_handler",
    "URL_FORMAT_OVERRIDE": None,  # `format=` belongs to the export
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}

SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Crash Monitor",
    "DESCRIPTION": "Crash games as recorded, verified, and the analytics over them. The chance of the next game "
    "does not depend on history.\n\n[Dashboard](/) · [Games](/games/) · [Verify a hash](/verify/)",
    "VERSION": "0.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
}
