"""A caching layer for Django on django-redis. It knows no model of the project that uses it."""
