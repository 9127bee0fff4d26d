"""The keys of the vault: made once, for this user only, never shown."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.fernet import Fernet, InvalidToken
from pydantic import SecretStr

from aiops_mcp.errors import StorageFailed
from aiops_mcp.fleet.vault_keys import FileKeys, SettingsKeys


@pytest.fixture
def path(tmp_path):
    return tmp_path / "home" / "vault.key"


def test_the_file_is_made_at_first_use_for_this_user_only(path):
    keys = FileKeys(path)
    assert not path.exists()
    sealed = keys.newest().encrypt(b"x")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [one.name for one in path.parent.iterdir()] == ["vault.key"]
    assert FileKeys(path).keys().decrypt(sealed) == b"x"


def test_a_wide_umask_does_not_widen_it(path):
    before = os.umask(0)
    try:
        FileKeys(path).newest()
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_of_many_that_start_together_all_use_one_key(path):
    rings = [FileKeys(path) for _ in range(16)]
    with ThreadPoolExecutor(16) as pool:
        sealed = list(pool.map(lambda ring: ring.newest().encrypt(b"x"), rings))
    assert len(path.read_text().split()) == 1
    assert {FileKeys(path).keys().decrypt(one) for one in sealed} == {b"x"}
    assert [one.name for one in path.parent.iterdir()] == ["vault.key"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o622, 0o601])
def test_a_file_that_others_may_touch_is_refused(path, mode):
    FileKeys(path).newest()
    path.chmod(mode)
    with pytest.raises(StorageFailed, match="can be read by others") as caught:
        FileKeys(path).newest()
    assert f"chmod 600 {path}" in caught.value.hint
    path.chmod(0o600)
    FileKeys(path).newest()


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "holds no key"), ("\n\n", "holds no key"), ("hello", "not a Fernet key")],
)
def test_a_file_without_a_usable_key(path, text, said):
    path.parent.mkdir()
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(StorageFailed, match=said) as caught:
        FileKeys(path).keys()
    assert "Fernet.generate_key" in caught.value.hint
    assert "hello" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert path.read_text() == text


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "home").write_text("a file")
    with pytest.raises(StorageFailed, match="cannot be used") as caught:
        FileKeys(tmp_path / "home" / "vault.key").newest()
    assert "AIOPS_VAULT_KEYS" in caught.value.hint


def test_a_key_file_that_is_a_directory(path):
    path.mkdir(parents=True)
    path.chmod(0o700)
    with pytest.raises(StorageFailed, match="cannot be used"):
        FileKeys(path).newest()


def test_another_process_follows_a_rotation(path):
    here, there = FileKeys(path), FileKeys(path)
    old = there.newest().encrypt(b"old")
    here.begin_rotation()
    new = there.newest().encrypt(b"new")
    assert there.keys().decrypt(old) == b"old"
    here.end_rotation()
    assert there.keys().decrypt(new) == b"new"
    with pytest.raises(InvalidToken):
        there.keys().decrypt(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_beginning_twice_makes_one_new_key(path):
    ring = FileKeys(path)
    ring.newest()
    ring.begin_rotation()
    halfway = path.read_text()
    ring.begin_rotation()
    assert path.read_text() == halfway
    assert len(halfway.split()) == 2


def test_keys_from_the_settings_newest_first():
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    ring = SettingsKeys(SecretStr(f" {new} , {old},"))
    sealed = Fernet(old).encrypt(b"x")
    assert ring.keys().decrypt(sealed) == b"x"
    assert Fernet(new).decrypt(ring.newest().encrypt(b"y")) == b"y"
    ring.begin_rotation()
    ring.end_rotation()
    assert ring.keys().decrypt(sealed) == b"x"


@pytest.mark.parametrize("text", ["", " , ", "canary-not-a-key"])
def test_settings_without_a_usable_key(text):
    with pytest.raises(StorageFailed, match="AIOPS_VAULT_KEYS holds") as caught:
        SettingsKeys(SecretStr(text))
    assert "canary" not in str(caught.value)


def test_no_repr_shows_a_key(path):
    ring = FileKeys(path)
    ring.newest()
    key = path.read_text().strip()
    assert key not in f"{ring!r}{vars(ring)!r}"
    assert key not in repr(vars(SettingsKeys(SecretStr(key))))
