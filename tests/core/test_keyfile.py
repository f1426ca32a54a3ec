"""The key file of a hub elsewhere: private, whole, and silent about its secrets."""

import stat

import msgspec
import pytest

from yonder import keyfile, wire
from yonder.errors import CannotRun, UsageError

TOKEN = "the token of this test"


@pytest.fixture
def key():
    return keyfile.HubKey(
        version=wire.VERSION,
        package="1",
        hub="gpu.example.org:7443",
        name="abc.hub.yonder",
        authority="A",
        certificate="C",
        key="K",
        token=TOKEN,
    )


def test_a_key_file_is_private_and_says_nothing_by_mistake(tmp_path, key):
    file = tmp_path / "deep" / "hub.json"
    keyfile.write(file, key)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert keyfile.read(file) == key
    assert TOKEN not in repr(key)
    assert [one.name for one in file.parent.iterdir()] == ["hub.json"]
    file.chmod(0o640)
    with pytest.raises(CannotRun, match="chmod 600"):
        keyfile.read(file)


def test_what_is_no_key_file_is_neither_read_nor_overwritten(tmp_path, key):
    file = tmp_path / "precious.txt"
    file.write_text('{"not": "a key"}')
    file.chmod(0o600)
    with pytest.raises(CannotRun, match="no key file") as told_of:
        keyfile.read(file)
    assert "precious" in str(told_of.value)
    with pytest.raises(UsageError, match="it stays"):
        keyfile.write(file, key)
    assert file.read_text() == '{"not": "a key"}'


def test_the_key_of_another_version_names_both(tmp_path, key):
    file = tmp_path / "hub.json"
    keyfile.write(file, msgspec.structs.replace(key, version=99, package="9.9"))
    with pytest.raises(CannotRun, match=r"9\.9 \(wire 99\)"):
        keyfile.read(file)


def test_a_damaged_key_is_said_without_quoting_it(key):
    damaged = msgspec.structs.replace(key, key="-----BEGIN SECRET-----")
    with pytest.raises(CannotRun, match="damaged") as told_of:
        damaged.way()
    assert "SECRET" not in str(told_of.value)


def test_only_the_own_key_is_removed_at_the_end(tmp_path, key):
    file = tmp_path / "hub.json"
    keyfile.write(file, key)
    keyfile.remove(file, "another.hub.yonder")
    assert file.exists()
    keyfile.remove(file, key.name)
    assert not file.exists()
    keyfile.remove(file, key.name)
