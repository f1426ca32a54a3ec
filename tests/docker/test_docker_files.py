"""What calls write in a real container: listed, fetched, and more of it than the agent's own small folder holds."""

import os
from pathlib import Path

import yonder


def writes(size):
    Path("out").mkdir(exist_ok=True)
    Path("out/big.bin").write_bytes(os.urandom(size))
    Path.home().joinpath(".cache").mkdir(exist_ok=True)
    Path.home().joinpath(".cache/x").touch()
    return str(Path.cwd())


def test_what_a_call_writes_in_a_container_is_listed_and_fetched(engine, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    options = {"host": engine.host, "pull": "never"}
    with yonder.Pool(backend="docker", image=engine.image, options=options, max=1, preload=[]) as pool:
        assert pool.call(writes, 50_000_000) == "/work"
        (file,) = pool.files()
        assert (file.path, file.size) == ("out/big.bin", 50_000_000)
        assert file.fetch(tmp_path / "big.bin").stat().st_size == 50_000_000
