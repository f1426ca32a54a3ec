"""What a pool may say to its backend alone: each option names itself and what is wrong with it."""

from __future__ import annotations

import pytest

from yonder.choices import BACKENDS
from yonder.particulars import OPTIONS, Volume, image_problem, options_problem, problem, tables


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("host", "unix:///var/run/docker.sock"),
        ("host", "tcp://engine:2376"),
        ("cert_path", "~/.docker"),
        ("listen", "10.0.0.5"),
        ("listen", "[fd00::5]:7000"),
        ("reach", "gpu.example:443"),
        ("shm_size", "2GB"),
        ("pull", "never"),
        ("gpus", ["0", "GPU-8f2a"]),
        ("volumes", ["models:/models", "/data:/data:ro"]),
        ("user", "1000:1000"),
        ("runtime", "nvidia"),
    ],
)
def test_what_is_taken(option, value):
    assert options_problem({option: value}, "docker") == ""


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("host", "docker.sock", "unix:///path"),
        ("host", "ssh://me@engine", "ssh -L"),
        ("host", "tcp://me:secret@engine:2376", "tcp://machine:port"),
        ("cert_path", "", "1 to 500"),
        ("listen", "10.0.0.5:99999", "must be an address"),
        ("listen", "two words", "must be an address"),
        ("reach", 7000, "must be an address"),
        ("shm_size", 0, "more than nothing"),
        ("shm_size", "lots", "512MB"),
        ("pull", "sometimes", "missing, always, never"),
        ("gpus", "0", "list of device ids"),
        ("gpus", [], "list of device ids"),
        ("gpus", ["0,1"], "list of device ids"),
        ("user", "root", "must not be root"),
        ("user", "0:0", "must not be root"),
        ("user", "a b", "a user of the image"),
        ("volumes", "models:/models", "must be a list"),
        ("volumes", ["models"], "is not name:/path"),
        ("volumes", ["../x:/models"], "is not name:/path"),
        ("volumes", ["/data:/data"], "end it in :ro"),
        ("volumes", ["/data:/data:rw"], "end it in :ro"),
        ("volumes", ["models:/run/yonder/models"], "Yonder's own"),
        ("netwrok", "lab", 'did you mean "network"?'),
    ],
)
def test_what_is_refused(option, value, said):
    found = options_problem({option: value}, "docker")
    assert said in found
    assert f'"{option}"' in found


def test_volumes_are_read():
    assert Volume.read("models:/models") == Volume("models", "/models", True)
    assert Volume.read("/data:/mnt/data:ro") == Volume("/data", "/mnt/data", False)


def test_images_and_options_go_with_their_backend():
    assert problem("docker", "team/executor:1", {"network": "lab"}) == ("", "")
    assert problem("local", "", {}) == ("", "")
    assert problem("local", "x", {})[0] == "image"
    assert problem("local", "", {"network": "lab"})[0] == "options"


def test_a_backend_that_is_not_known_yet_may_have_anybodys_options():
    assert options_problem({"network": "lab"}) == ""
    assert 'has "zzz", which no backend knows' in options_problem({"zzz": "lab"})


@pytest.mark.parametrize("name", ["yonder-executor:0.1.0", "team.example:5000/a/b@sha256:0123"])
def test_images(name):
    assert image_problem(name) == ""


@pytest.mark.parametrize("name", ["", "-x", "a b", 3, "a" * 300])
def test_what_is_no_image(name):
    assert image_problem(name)


def test_every_backend_has_its_options_documented():
    assert set(OPTIONS) == set(BACKENDS)
    page = tables()
    assert all(f"| `{name}` |" in page for options in OPTIONS.values() for name in options)
