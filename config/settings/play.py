"""The step game. docs/fairness.md"""

from config.env import env

# Fernet keys for server seeds at rest. The first one encrypts, all decrypt, so that a key can be replaced.
PLAY_SEED_KEYS = env.list("PLAY_SEED_KEYS", default=[])
