"""Settings of `make run`, and of `manage.py` by default: one machine, one user."""

import os

from config.env import DATA_DIR, boolean
from config.local_keys import SEED_KEYS_FILE, local_keys
from config.stack.discovery import adopt_running_stack

adopt_running_stack(DATA_DIR, os.environ)  # before the settings are read from it

from config.settings.base import *  # noqa: E402

HOST = env.str("HOST", default="127.0.0.1")
SECRET_KEY = env.str("SECRET_KEY", default="local-only-not-a-secret-0123456789-abcdefghijklmnopqrstuvwxyz")
DEBUG = boolean("DEBUG", False)
# The loopback names are always allowed, because the stack's readiness check uses them.
ALLOWED_HOSTS = [*env.list("ALLOWED_HOSTS", default=[HOST]), "localhost", "127.0.0.1", "[::1]"]
# Serve static files directly from the packages, so that no collectstatic is required.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = True
# The stack creates them, so that the step game can be played without any setting.
PLAY_SEED_KEYS = PLAY_SEED_KEYS or local_keys(DATA_DIR / SEED_KEYS_FILE)
