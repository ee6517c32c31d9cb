"""Plain Django as WSGI, its faster interface, for `cache_page` and the uncached views."""

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()
