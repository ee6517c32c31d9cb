"""Seeds under new keys: after this, an old key can be taken out of PLAY_SEED_KEYS."""

from collections.abc import Iterator

from games.play.models import Bet, Seeds
from games.play.seed_encryption import reencrypt_seed


def reencrypt_seeds() -> Iterator[int]:
    """Encrypt every stored seed with the first key, and yield 1 for each row that was changed, else 0.

    Raise SeedsUnavailable if no key opens a seed. Each UPDATE compares the old text: a row that another transaction has
    changed meanwhile has a seed under the first key already.
    """
    for table in (Seeds, Bet):
        rows = table.objects.exclude(encrypted_seed="").values_list("pk", "encrypted_seed")
        for pk, encrypted in list(rows):
            stored = table.objects.filter(pk=pk, encrypted_seed=encrypted)
            yield stored.update(encrypted_seed=reencrypt_seed(encrypted))
