import pytest
from cryptography.fernet import Fernet

from games.play.draw import commitment_of
from games.play.errors import SeedsUnavailable
from games.play.seed_encryption import decrypt_seed, encrypt_seed, reencrypt_seed

SEED = "5e" * 32
OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


def test_a_seed_is_encrypted_differently_each_time_and_opened_again(settings):
    settings.PLAY_SEED_KEYS = [NEW]
    first, second = encrypt_seed(SEED), encrypt_seed(SEED)
    assert first != second
    assert SEED not in first
    assert decrypt_seed(first, commitment_of(SEED)) == decrypt_seed(second, commitment_of(SEED)) == SEED


def test_a_key_is_replaced_by_a_new_one_in_front_of_it(settings):
    settings.PLAY_SEED_KEYS = [OLD]
    encrypted = encrypt_seed(SEED)
    settings.PLAY_SEED_KEYS = [NEW, OLD]
    assert decrypt_seed(encrypted, commitment_of(SEED)) == SEED
    renewed = reencrypt_seed(encrypted)
    settings.PLAY_SEED_KEYS = [NEW]
    assert decrypt_seed(renewed, commitment_of(SEED)) == SEED
    with pytest.raises(SeedsUnavailable):
        reencrypt_seed(encrypted)


@pytest.mark.parametrize("keys", [[], ["short"], [OLD]])
def test_without_the_right_key_seeds_are_unavailable(settings, keys, caplog):
    settings.PLAY_SEED_KEYS = [NEW]
    encrypted = encrypt_seed(SEED)
    settings.PLAY_SEED_KEYS = keys
    with pytest.raises(SeedsUnavailable):
        decrypt_seed(encrypted, commitment_of(SEED))
    assert SEED not in caplog.text
    assert "PLAY_SEED_KEYS" in caplog.text


def test_a_seed_of_another_commitment_is_refused(settings):
    settings.PLAY_SEED_KEYS = [NEW]
    with pytest.raises(SeedsUnavailable):
        decrypt_seed(encrypt_seed(SEED), commitment_of("00" * 32))
