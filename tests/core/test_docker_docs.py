"""docs/docker.md says what is true: its settings load, its options are all there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from yonder.particulars import OPTIONS
from yonder.settings import load

PAGE = (Path(__file__).parents[2] / "docs" / "docker.md").read_text("utf-8")


@pytest.mark.parametrize("text", re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL))
def test_its_settings_are_settings(text, tmp_path):
    (tmp_path / "pyproject.toml").write_text(text)
    found = load(tmp_path)
    assert found.warnings == ()
    assert "docker" in {spec.backend for spec in found.pool_specs()}


def test_it_names_every_option():
    assert all(f"`{name}`" in PAGE for name in OPTIONS["docker"])


def test_its_program_is_one():
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    compile(code, "docker.md", "exec")
