"""The Celery application. Its settings are the `CELERY_*` names in config/settings/celery.py."""

import os
import warnings

import redis
from celery import Celery
from celery.exceptions import SecurityWarning
from kombu.transport.redis import Channel, Transport

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")

# Celery warns root of pickled messages that run code. Ours are JSON (CELERY_ACCEPT_CONTENT).
warnings.filterwarnings("ignore", "You're running the worker with superuser privileges", SecurityWarning)

# A closing channel returns its unacknowledged messages. kombu 5.7 does so through a connection that it has already
# released, which ends a worker if its broker dies while a task runs. Without the return, the message is delivered
# again after `visibility_timeout`; the beat job that does the same work runs sooner.
Channel.do_restore = False

# A broker that refuses (READONLY or UNBLOCKED in a failover, OOM, MISCONF on a full disk) is one to reconnect to. kombu
# takes such a reply for unrecoverable, which ends the worker.
Transport.connection_errors = (*Transport.connection_errors, redis.ResponseError)

app = Celery("crash_monitor")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
