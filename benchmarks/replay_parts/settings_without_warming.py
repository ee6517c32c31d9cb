"""The local settings without warming: no worker takes its messages from their queue."""

from config.settings.local import *  # noqa: F403

CELERY_TASK_ROUTES = {"cachecore.tasks.warm": {"queue": "without-worker"}}
