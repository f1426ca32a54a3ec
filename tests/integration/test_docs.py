"""The programs of docs/pool.md, docs/data.md and docs/code.md, and of README's section on the pool, print what the page says they print."""

from __future__ import annotations

import re

import pytest
from tests.integration.programs import ROOT, program

_EXAMPLE = re.compile(r"```python\n(.*?)```\n(?:```text\n(.*?)```)?", re.DOTALL)


def examples():
    readme = (ROOT / "README.md").read_text("utf-8")
    section = readme.partition("\n## The pool\n")[2].partition("\n## ")[0]
    pages = {page: (ROOT / "docs" / page).read_text("utf-8") for page in ("pool.md", "code.md", "data.md")} | {
        "README.md": section
    }
    for page, text in pages.items():
        for found in _EXAMPLE.finditer(text):
            line = text[: found.start()].count("\n") + 1
            yield pytest.param(found[1], found[2], id=f"{page}-{line}")


@pytest.mark.parametrize(("code", "printed"), list(examples()))
def test_an_example_prints_what_stands_below_it(code, printed, tmp_path):
    assert printed is not None, "every example says what it prints"
    assert program(tmp_path, code) == printed


def test_all_pages_have_examples():
    pages = [parameters.id.partition("-")[0] for parameters in examples()]
    assert pages.count("pool.md") >= 10
    assert pages.count("code.md") >= 4
    assert pages.count("data.md") >= 6
    assert pages.count("README.md") >= 2
