import os
import stat
from multiprocessing.pool import ThreadPool

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

from config.local_keys import SEED_KEYS_FILE, create_local_keys, local_keys
from tests.config.test_settings import run_with_settings


def test_a_key_is_created_once_for_its_owner_only(tmp_path):
    path = tmp_path / "keys"
    create_local_keys(path)
    [key] = local_keys(path)
    Fernet(key)
    create_local_keys(path)
    assert local_keys(path) == [key]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["keys"]


def test_processes_that_begin_at_once_have_the_same_key(tmp_path):
    path = tmp_path / "keys"
    with ThreadPool(8) as pool:
        pool.map(lambda _: create_local_keys(path), range(8))
    assert len(local_keys(path)) == 1
    assert os.listdir(tmp_path) == ["keys"]


def test_several_keys_are_read_in_order(tmp_path):
    (tmp_path / "keys").write_text("b\na\n")
    assert local_keys(tmp_path / "keys") == ["b", "a"]


def test_a_file_that_cannot_be_read_is_one_line(tmp_path):
    (tmp_path / "keys").mkdir()
    with pytest.raises(ImproperlyConfigured, match=r"keys cannot be read \(Is a directory\)\."):
        local_keys(tmp_path / "keys")


def test_local_settings_read_the_keys_of_the_stack_unless_some_are_given(tmp_path):
    assert run_with_settings(tmp_path, "print(settings.PLAY_SEED_KEYS)").stdout == "[]\n"
    assert not (tmp_path / SEED_KEYS_FILE).exists()
    create_local_keys(tmp_path / SEED_KEYS_FILE)
    own = run_with_settings(tmp_path, "print(settings.PLAY_SEED_KEYS)")
    assert own.stdout == f"{local_keys(tmp_path / SEED_KEYS_FILE)}\n"
    given = run_with_settings(tmp_path, "print(settings.PLAY_SEED_KEYS)", PLAY_SEED_KEYS="a,b")
    assert given.stdout == "['a', 'b']\n"
