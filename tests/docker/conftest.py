"""A window whose session and pool are in containers."""

import pytest

from yonder import wire


@pytest.fixture
def placed(engine, tmp_path, monkeypatch):
    """Settings of a window whose session and pool are in containers."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    options = {"host": engine.host, "pull": "never"}
    common = {"backend": "docker", "image": engine.image, "options": options}
    return {
        "linger": 1.0,
        "pools": [wire.PoolSpec(max=2, **common), wire.PoolSpec(name="session", env={"MARK": "seen"}, **common)],
    }
