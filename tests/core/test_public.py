"""The public names, pinned: adding one is a decision, losing one breaks somebody."""

import ast
import importlib
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import yonder

ROOT = Path(__file__).resolve().parents[2]


def test_the_public_names():
    assert set(yonder.__all__) == {
        "Actor",
        "BootFailed",
        "CallTimeout",
        "Cancelled",
        "CannotRun",
        "ExecutorLost",
        "FetchFailed",
        "File",
        "Future",
        "NoRoom",
        "Pool",
        "PoolClosed",
        "PoolDeadlock",
        "QueueFull",
        "Remote",
        "RemoteLost",
        "SerializationError",
        "Stream",
        "UsageError",
        "VersionMismatch",
        "YonderError",
        "__version__",
        "display",
        "keep",
        "limit",
        "log",
        "progress",
        "resource",
    }
    assert all(hasattr(yonder, name) for name in yonder.__all__)


def test_public_names_are_what_type_checkers_take_them_for():
    (block,) = [node for node in ast.parse(Path(yonder.__file__).read_text()).body if isinstance(node, ast.If)]
    said = {alias.name: importlib.import_module(line.module) for line in block.body for alias in line.names}
    assert {*said, "__version__"} == set(yonder.__all__)
    for name, home in said.items():
        assert getattr(yonder, name) is getattr(home, name)


def test_the_package_itself_imports_next_to_nothing_and_gives_all_its_names():
    code = """
import sys, yonder
assert not {"asyncio", "msgspec", "yonder.pool", "yonder.wire"} & set(sys.modules), sorted(sys.modules)
assert set(yonder.__all__) <= set(dir(yonder))
from yonder import *
Pool, log, YonderError
assert yonder.Pool is Pool and "yonder.pool" in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_is_not_public_is_not_there():
    with pytest.raises(AttributeError, match="'yonder' has no attribute 'Pol'"):
        yonder.Pol  # noqa: B018 - looking is what is tried


def test_the_verbs_of_a_pool():
    verbs = {name for name in dir(yonder.Pool) if not name.startswith("_")}
    assert verbs == {
        "acall",
        "aclose",
        "astream",
        "broadcast",
        "call",
        "close",
        "events",
        "keep",
        "explain",
        "files",
        "map",
        "max",
        "name",
        "place",
        "put",
        "preflight",
        "remote",
        "resize",
        "shutdown",
        "spawn",
        "stacks",
        "status",
        "stream",
        "submit",
        "with_options",
    }


def test_every_package_is_in_what_is_installed():
    """An editable installation finds them all; a wheel has those that are named."""
    named = set(tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]["packages"])
    roots = (ROOT / "executor", ROOT / "lsp-server")
    there = {
        str(file.parent.relative_to(root)).replace("/", ".")
        for root in roots
        for file in root.glob("yonder*/**/__init__.py")
    }
    assert there == named
