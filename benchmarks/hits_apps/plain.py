"""Plain Django as WSGI, its faster interface: what `cache_page` and the uncached views run under."""

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()
