"""https://docs.celeryq.dev/en/stable/userguide/configuration.html

Tasks only wake a worker: the work itself is recorded in Redis (`pending`) and in the games table. A lost message
therefore delays the work until the beat job that does the same.
"""

from config.env import celery_url, positive_number, redis_url

BROKER_URL = redis_url("BROKER_URL")

CELERY_BROKER_URL = celery_url(BROKER_URL)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TIMEZONE = "UTC"
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_SOFT_TIME_LIMIT = 5 * 60  # seconds; a rebuild of a million games takes about ten
CELERY_TASK_TIME_LIMIT = 6 * 60  # seconds
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # a worker waits for its broker without limit
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
# A save must not wait for an unavailable broker: it tries once and briefly, otherwise the beat job does the work.
CELERY_TASK_PUBLISH_RETRY = False
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_connect_timeout": positive_number("REDIS_CONNECT_TIMEOUT_SECONDS", 0.25),
    "socket_timeout": 2.0,  # seconds; longer than kombu's blocking pop of one second
    "max_retries": 0,
    "visibility_timeout": 10 * 60,  # seconds; above the task time limit
}

# `expires` keeps messages from accumulating while no worker runs.
CELERY_BEAT_SCHEDULE = {
    "apply-pending": {
        "task": "analytics.tasks.apply_pending",
        "schedule": 5.0,
        "options": {"expires": 5},
    },
    "reconcile-newest": {
        "task": "analytics.tasks.reconcile_newest",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "reconcile-all": {
        "task": "analytics.tasks.reconcile_all",
        "schedule": 24 * 60 * 60.0,
        "options": {"expires": 60 * 60},
    },
    "warm-standard-answers": {
        "task": "cachecore.tasks.warm",
        "schedule": 60 * 60.0,
        "options": {"expires": 10 * 60},
    },
    "fade-use": {
        "task": "cachecore.tasks.fade_use",
        "schedule": 60 * 60.0,
        "options": {"expires": 10 * 60},
    },
    "clean-up-view": {
        "task": "analytics.tasks.clean_up",
        "schedule": 60 * 60.0,
        "options": {"expires": 10 * 60},
    },
    "play-close-abandoned-bets": {
        "task": "games.play.tasks.close_abandoned_bets",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "play-audit-books": {
        "task": "games.play.tasks.audit_books",
        "schedule": 24 * 60 * 60.0,
        "options": {"expires": 60 * 60},
    },
}
