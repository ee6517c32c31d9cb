import os
import stat
from multiprocessing.pool import ThreadPool

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

from config.local_keys import local_keys
from tests.config.test_settings import settings_told


def test_a_key_is_made_once_for_its_owner_only(tmp_path):
    path = tmp_path / "data" / "keys"
    [key] = local_keys(path)
    Fernet(key)
    assert local_keys(path) == [key]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(path.parent) == ["keys"]


def test_processes_that_begin_at_once_have_the_same_key(tmp_path):
    with ThreadPool(8) as pool:
        found = pool.map(lambda _: local_keys(tmp_path / "keys"), range(8))
    assert len({tuple(keys) for keys in found}) == 1


def test_several_keys_are_read_in_order(tmp_path):
    (tmp_path / "keys").write_text("b\na\n")
    assert local_keys(tmp_path / "keys") == ["b", "a"]


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ImproperlyConfigured, match=r"cannot be read or created \(File exists\)"):
        local_keys(tmp_path / "file" / "keys")


def test_local_settings_make_a_key_of_their_own_unless_one_is_given(tmp_path):
    own = settings_told(tmp_path, "print(settings.PLAY_SEED_KEYS)")
    assert own.stdout == f"{[(tmp_path / 'play-seed-keys').read_text().strip()]}\n"
    given = settings_told(tmp_path, "print(settings.PLAY_SEED_KEYS)", PLAY_SEED_KEYS="a,b")
    assert given.stdout == "['a', 'b']\n"
