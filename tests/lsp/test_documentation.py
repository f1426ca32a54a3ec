"""Docstrings as Markdown: what people write becomes sections, lists and code; what anybody writes never becomes markup."""

from __future__ import annotations

import inspect
import json
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from yonder_lsp import documentation

GOOGLE = """Train a model.

It takes a while, see :class:`~torch.nn.Module` and ``model.train()``.

Args:
    model (nn.Module): What is
        trained.
    lr: The learning rate.
        Default: ``0.1``

        A second paragraph of it.
    *rest (int, optional): More.

Keyword args:
    warm (bool): Whether warm.

Returns:
    float: The loss.

Raises:
    ValueError: If it cannot.

Example::

    >>> train(model)
    0.5

    >>> train(None)

.. note:: Slow, and
    **really** so.
"""
NUMPY = """fit(X, y,
    sample_weight=None)

Fit the model.

Parameters
----------
X : {array-like, sparse} of shape (n, m)
    The data.

    More of it.
y, z : array
    Targets.
flag
    No type.

Returns
-------
self : object
    Fitted.

See Also
--------
other : Something.

Notes
-----
Text ``a`` of notes:

- one
- two
  goes on

Examples
--------
>>> fit(1)
2
"""
SPHINX = """Send it.

:param str to: Where to.
:param what: What,
    on two lines.
:type what: bytes
:raises OSError: When not.
:returns: How much.
:rtype: int
"""


def of(text: str, *, signed: bool = False) -> str:
    return documentation.markdown(inspect.cleandoc(text), signed=signed)


def page(*blocks: str) -> str:
    return "\n\n".join(blocks)


def test_googles() -> None:
    assert of(GOOGLE) == page(
        *[
            "Train a model.",
            "It takes a while, see `Module` and `model.train()`.",
            "**Args**",
            "- `model` (`nn.Module`): What is trained.\n- `lr`: The learning rate. Default: `0.1`\n- `*rest` (`int, optional`): More.",
            "**Keyword args**",
            "- `warm` (`bool`): Whether warm.",
            "**Returns**",
            "float: The loss.",
            "**Raises**",
            "- `ValueError`: If it cannot.",
            "**Example**",
            "```python\n>>> train(model)\n0.5\n\n>>> train(None)\n```",
            "**Note** Slow, and **really** so.",
        ]
    )


def test_numpys() -> None:
    assert of(NUMPY, signed=True) == page(
        *[
            "Fit the model.",
            "**Parameters**",
            "- `X` (`{array-like, sparse} of shape (n, m)`): The data.\n- `y, z` (`array`): Targets.\n- `flag`: No type.",
            "**Returns**",
            "- `self` (`object`): Fitted.",
            "**Notes**",
            "Text `a` of notes:",
            "- one\n- two goes on",
            "**Examples**",
            "```python\n>>> fit(1)\n2\n```",
        ]
    )
    assert of(NUMPY).startswith("fit(X, y,")


def test_sphinxs() -> None:
    assert of(SPHINX) == page(
        *[
            "Send it.",
            "**Parameters**",
            "- `to` (`str`): Where to.\n- `what` (`bytes`): What, on two lines.\n- `OSError`: When not.",
            "**Returns** How much.",
            "**Return type** `int`",
        ]
    )


def test_code_and_what_is_laid_out_stay_as_they_are() -> None:
    assert of("Text::\n\n    a  =  1\n      b\n\nMore") == "Text:\n\n```text\na  =  1\n  b\n```\n\nMore"
    assert of("Text\n\n  a   b\n  1   2\n\nMore") == "Text\n\n```text\na   b\n1   2\n```\n\nMore"
    assert of("Do\n\n.. code-block:: python\n\n    x = 1") == "Do\n\n```python\nx = 1\n```"
    assert of("Do\n\nExample:\n    x = f(1)\n    y") == "Do\n\n**Example**\n\n```python\nx = f(1)\ny\n```"
    assert of(".. versionadded:: 1.2\n\nText") == "**Added in** 1\\.2\n\nText"
    assert of("a\n\n.. image:: https://x.y/z.png\n\nb\n\n.. _x: https://y") == "a\n\nb"
    grid = "+---+---+\n| a | b |\n+===+===+\n| 1 | 2 |\n+---+---+"
    assert of(f"Text\n\n{grid}\n\nMore") == f"Text\n\n```text\n{grid}\n```\n\nMore"
    assert of("=== ===\na   b\n=== ===") == "```text\n=== ===\na   b\n=== ===\n```"
    assert of("") == ""
    assert of("f(x) -> y", signed=True) == ""
    assert of("f() -> empty\nf(x) -> full", signed=True) == "f() -\\> empty f(x) -\\> full"


def test_a_long_one_is_cut() -> None:
    assert of("\n\n".join(str(n) for n in range(100))).split("\n\n")[-2:] == ["29", "…"]
    assert of("words " * 3000).endswith("…")
    assert len(of("words " * 3000)) < 1300
    code = of("\n".join(f">>> {n}" for n in range(100)))
    assert code.count("\n") < 35
    assert code.endswith("\n```\n\n…")
    many = of("Args:\n" + "\n".join(f"    a{n}: x" for n in range(20)) + "\n\nEnd")
    assert many.endswith("- `a11`: x\n- … 8 more\n\nEnd")


@pytest.mark.parametrize("thing", [np.sum, np.einsum, torch.nn.Linear, torch.optim.SGD, json.dumps, dict, str.split])
def test_what_libraries_write_is_short_and_whole(thing: object) -> None:
    text = of(thing.__doc__ or "", signed=True)
    assert text
    assert text.count("\n") < 80
    assert text.count("```") % 2 == 0
    assert ":math:" not in re.sub(r"```.*?```", "", text, flags=re.DOTALL)


MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
HARMLESS = {"paragraph", "text", "inline", "fence", "code_inline", "strong", "bullet_list", "list_item", "softbreak"}
HOSTILE = [
    "[x](command:evil)",
    "![x](https://evil.example/x.png)",
    "<img src=x onerror=evil()>",
    "<https://evil.example>",
    "https://evil.example and www.evil.example",
    "# Heading",
    "Heading\n=======\n\nx",
    "Heading\n---",
    "| a | b |\n|---|---|\n| c | d |",
    "```\n[x](command:evil)",
    "~~~\ncode\n~~~",
    "[x]: command:evil\n\n[x]",
    "&lt;script&gt; &#60;",
    "* * *",
    "1. one\n2. two",
    "> quoted",
    "Args:\n    [x](command:evil) (<b>): ![](y)",
    "[x](a)\n------\n[y](command:b) : <i>\n    ![](c)",
    ":param [x](command:evil): <b>",
    ":returns: [x](command:evil)",
    ":[x](command:e): y",
    ">>> ```\n>>> [x](command:evil)",
    ".. note:: [x](command:evil)\n    <b>",
    ".. code-block:: python\n\n    ```\n    [x](command:evil)",
    "`a](command:evil) ``[x](command:evil)",
    "**[x](command:evil)** **<b>**",
    "$(evil) $$x$$ $(zap)",
    "a\\\n[x](command:evil)\\",
    "text::\n\n  `````\n  [x](command:evil)",
    "- [x](command:evil)\n- <b>",
]


def markup(text: str) -> set[str]:
    """What an editor would make of it, beyond text, code, lists and strong words."""
    kinds = set()
    for token in MARKDOWN.parse(text):
        kinds |= {token.type, *(child.type for child in token.children or ())}
    return {kind.removesuffix("_open").removesuffix("_close") for kind in kinds} - HARMLESS


def test_markup_is_noticed() -> None:
    """The control: all but the bare addresses and signs would be markup."""
    assert sum(bool(markup(text)) for text in HOSTILE) >= 12


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(text: str) -> None:
    for said in (text, f"Words.\n\n{text}\n\nMore.", f"Args:\n    x: {text}", f"Notes\n-----\n{text}"):
        shown = of(said)
        assert markup(shown) == set(), shown
        bare = re.sub(r"(`+).*?\1", "", shown, flags=re.DOTALL)
        assert not re.search(r"\w://", bare)
        assert "www." not in bare
        assert "<" not in bare.replace("\\<", "")


PIECES = st.sampled_from(
    [
        *HOSTILE,
        "`",
        "``",
        "**",
        "\n",
        "\n\n",
        "    ",
        "Args:",
        "Returns:\n    ",
        "---",
        "===",
        ">>> ",
        "::",
        ".. x::",
        ":param x:",
        "x : y",
        "- ",
    ]
)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.lists(PIECES | st.text(max_size=5), max_size=30).map("".join))
def test_nothing_anybody_writes_becomes_markup(text: str) -> None:
    for signed in (False, True):
        assert markup(documentation.markdown(text, signed=signed)) == set()


def test_deep_and_wide_texts_have_an_end() -> None:
    stairs = "\n".join(" " * n + "Args:" for n in range(300))
    for text in (stairs, "`" * 100_000, "a (" * 50_000, "* " * 50_000, "x : " * 50_000, "\n" * 100_000):
        assert len(documentation.markdown(text)) < 30_000
