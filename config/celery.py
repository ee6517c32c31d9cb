"""The Celery application. Its settings are the `CELERY_*` names in config/settings/celery.py."""

import os

from celery import Celery
from kombu.transport.redis import Channel

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")

# A channel that closes gives back what is not acknowledged; kombu 5.7 does so through a connection that it has already
# let go of, and a worker whose broker dies while it has a task in hand dies of it. Without: the message comes back by
# `visibility_timeout`, and what it asked for is done sooner by beat.
Channel.do_restore = False

app = Celery("crash_monitor")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
