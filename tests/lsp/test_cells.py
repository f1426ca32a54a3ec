"""Which block runs. Texts carry the cursor as `|`, or the ends of a selection as two of them."""

import ast
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yonder_lsp.cells import NothingToRun, block, cells, text_hash
from yonder_lsp.columns import split_lines, to_utf16
from yonder_lsp.protocol import Position, Range


def at(marked):
    """The text without its marks, and the selection between them (one mark: a cursor)."""
    pieces = dedent(marked).split("|")
    assert len(pieces) in (2, 3), "one or two marks"
    places = []
    for end in (1, len(pieces) - 1):
        lines = split_lines("".join(pieces[:end]))
        places.append(Position(line=len(lines) - 1, character=to_utf16(lines[-1], len(lines[-1]))))
    return "".join(pieces), Range(start=places[0], end=places[1])


def run(marked, where="auto"):
    text, selection = at(marked)
    found = block(text, where, selection)
    rows = split_lines(text)[found.range.start.line : found.range.end.line + 1]
    assert found.range.start == Position(line=found.first_line, character=0)
    assert found.range.end.character == to_utf16(rows[-1], len(rows[-1]))
    assert [row.strip() for row in split_lines(found.code)] == [row.strip() for row in rows]
    return found


CELLS = """\
    import torch

    # %% load
    data = 1

    # %% train
    model = 2
    model += 1

    # %%
    """


@pytest.mark.parametrize(
    ("cursor", "code", "line", "title"),
    [
        ("import torch", "import torch", 0, "import torch"),
        ("# %% load", "data = 1", 3, "load"),
        ("data = 1", "data = 1", 3, "load"),
        ("model = 2", "model = 2\nmodel += 1", 6, "train"),
        ("model += 1", "model = 2\nmodel += 1", 6, "train"),
    ],
)
def test_without_a_selection_the_cell_at_the_cursor_runs(cursor, code, line, title):
    found = run(CELLS.replace(cursor, cursor + "|"))
    assert (found.code, found.first_line, found.title, found.kind) == (code, line, title, "block")


def test_an_empty_cell_says_so():
    with pytest.raises(NothingToRun, match="line 10"):
        run(CELLS.rstrip() + "|")


def test_lenses_stand_at_markers_and_skip_empty_and_text_cells():
    text = dedent(
        '''\
        """Words."""

        # %% [markdown] About
        # Only text.
        # %% first
        a = """
        # %% not a marker
        """

        # %%
        b = 2
        # %% empty
        '''
    )
    found = cells(text)
    assert [(cell.range.start.line, cell.range.end.line, cell.title) for cell in found] == [
        (0, 0, '"""Words."""'),
        (4, 7, "first"),
        (9, 10, "b = 2"),
    ]


def test_a_file_without_markers_has_no_cells():
    assert cells("a = 1\nb = 2\n") == []
    assert cells("") == []


@pytest.mark.parametrize(
    ("marker", "title"),
    [
        ("# %% Load data", "Load data"),
        ("#%% Load data", "Load data"),
        ("# %%% sub cell", "sub cell"),
        ('# %% Load key="value" other=[1]', "Load"),
        ('# %% tags=["a"]', "x = 1"),
        ("# %% [setup]", "setup"),
        ("# %% sweep lr=0.1", "sweep lr=0.1"),
        ("# %%", "x = 1"),
    ],
)
def test_titles_as_jupytext_writes_them(marker, title):
    assert [cell.title for cell in cells(f"{marker}\nx = 1\n")] == [title]


@pytest.mark.parametrize("line", ["# %%time", "## %%", "x = 1  # %% no", "    # %% indented", "# %"])
def test_what_is_no_marker(line):
    assert cells(f"x = 1\n{line}\n") == []


def test_a_text_cell_does_not_run():
    with pytest.raises(NothingToRun, match="holds text"):
        run("# %% [md]\n# wor|ds\n# %%\nx = 1\n")


def test_a_broken_cell_runs_as_it_stands_and_others_are_not_touched():
    text = '# %% one\nx = """never closed\n# %% two\ny = (1,\nz = 3\n# %% three\nw = """fine"""|\n'
    assert run(text).code == 'w = """fine"""'
    assert [cell.title for cell in cells(text.replace("|", ""))] == ["one", "two", "three"]
    broken = run(text.replace("|", "").replace("z = 3", "z = 3|"))
    assert (broken.code, broken.first_line) == ("y = (1,\nz = 3", 3)
    with pytest.raises(SyntaxError):
        ast.parse(broken.code)


STATEMENTS = """\
    import os

    @decorated
    def f(x):
        '''doc'''

        return x

    # about y
    y = f(
        1,
    )
    a = 1; b = 2
    """


@pytest.mark.parametrize(
    ("cursor", "first", "last"),
    [
        ("import os", 0, 0),
        ("@decorated", 2, 6),
        ("    return x", 2, 6),
        ("# about y", 9, 11),  # a comment belongs to what follows
        ("    1,", 9, 11),
        ("a = 1; b", 12, 12),
    ],
)
def test_without_cells_the_statement_at_the_cursor_runs(cursor, first, last):
    found = run(STATEMENTS.replace(cursor, cursor + "|"))
    assert (found.range.start.line, found.range.end.line) == (first, last)


def test_behind_the_last_statement_the_last_one_runs():
    assert run("a = 1\nb = 2\n\n|").code == "b = 2"


def test_where_statement_ignores_cells():
    assert run("# %%\na = 1\nb =| 2\n", "statement").code == "b = 2"


@pytest.mark.parametrize(
    ("marked", "code"),
    [
        ("a = 1|\nb = (\n  2)\nc = 3\n", "a = 1"),
        ("a = 1\nb = (|\n  2)\nc = 3\nx = (1,\n", "b = (\n  2)"),
        ("x = (1,\ndef f():\n    return| 1\n", "def f():\n    return 1"),
        ("@d\n@e(\n 1)\nclass A:\n    x =| 1\n)\n", "@d\n@e(\n 1)\nclass A:\n    x = 1\n)"),
        ("if a:\n  b\nelse:\n  c|\nd = =\n", "if a:\n  b\nelse:\n  c"),
        ("t = '''\na = 1\n'''|\nd = =\n", "t = '''\na = 1\n'''"),
        ("d = =|\na = 1\n", "d = ="),
        ("t = '''open\na = 1|\nb = 2\n", "a = 1"),
        ("a = 1 + \\\n2|\nb = =\n", "a = 1 + \\\n2"),
        ("    a = 1|\nb = =\n", "    a = 1"),
        ("else:|\n    a = 1\nb = 2\n", "else:\n    a = 1"),
        ("b = = # ( '''\na = '(' # )\nc =| 1\n", "c = 1"),
    ],
)
def test_statements_of_a_broken_text(marked, code):
    assert run(marked).code == code


@pytest.mark.parametrize(
    ("marked", "code"),
    [
        ("a = 1\nb = |model|.x(\n  2)\nc = 3\n", "b = model.x(\n  2)"),
        ("|a = 1\nb| = 2\nc = 3\n", "a = 1\nb = 2"),
        ("|a = 1\n|b = 2\n", "a = 1"),
        ("# %%\n|a = 1\n# %%\nb| = 2\n", "a = 1\n# %%\nb = 2"),
        ("for i in r:\n    |a = i\n    b| = 2\n    c = 3\n", "a = i\nb = 2"),
        ("for i in |r:\n    a =| i\n    b = 2\n", "for i in r:\n    a = i\n    b = 2"),
        ("if x:\n    a = '''\n    text\n    '''\n    |b = 1|\n", "b = 1"),
        ("if x:\n    |a = '''\n    text\n    '''|\n    b = 1\n", "a = '''\n    text\n    '''"),
        ("def f():\n    a = 1\n    |return a|\n", "def f():\n    a = 1\n    return a"),
        ("async def f():\n    |await g()|\n", "await g()"),
        ("try:\n    a\nexcept E:\n    |b|\n", "b"),
        ("match x:\n    case 1:\n        |b = 1|\n", "b = 1"),
        ("if x: a = 1; |b = 2|\n", "if x: a = 1; b = 2"),
        ("x = (1,\ny = 2\n|z = 3|\n", "x = (1,\ny = 2\nz = 3"),
        ("if x:\n    if y:\n        a = 1\n\n|    b = 2\n|c = 3\n", "b = 2"),
    ],
)
def test_a_selection_is_expanded_to_whole_statements(marked, code):
    assert run(marked).code == code


def test_selections_made_backwards_are_the_same():
    text, selection = at("|a = 1\nb| = 2\nc = 3\n")
    assert block(text, "auto", Range(start=selection.end, end=selection.start)) == block(text, "auto", selection)


def test_a_selection_without_code_says_so():
    with pytest.raises(NothingToRun, match="line 2"):
        run("a = 1\n|# just a note|\nb = 2\n", "selection")


def test_to_cursor_ends_with_the_statement_at_the_cursor():
    assert run("a = 1\nif a:\n  b =| 2\n  c = 3\nd = 4\n", "toCursor").code == "a = 1\nif a:\n  b = 2\n  c = 3"
    assert run("a = 1\n\n|\nd = 4\n", "toCursor").code == "a = 1"
    with pytest.raises(NothingToRun):
        run("|\n\na = 1\n", "toCursor")


def test_above_ends_before_the_cell_or_the_statement():
    assert run("a = 1\n# %% b\nb = 2\nc =| 3\n", "above").code == "a = 1"
    assert run("a = 1\nb = 2\nc =| 3\n", "above").code == "a = 1\nb = 2"
    with pytest.raises(NothingToRun):
        run("a =| 1\n", "above")


def test_the_file_is_a_run_of_its_own_kind():
    found = run("\n# note\na = 1\r\nb = |2\n\n", "file")
    assert (found.code, found.first_line, found.kind, found.title) == ("# note\na = 1\nb = 2", 1, "file", "whole file")


def test_columns_are_the_editors():
    assert run("a = '🙂'|\n").range.end.character == 8


def test_a_place_outside_the_text_is_the_nearest():
    far = Position(line=99, character=9)
    assert block("a = 1\nb = 2", "auto", Range(start=far, end=far)).code == "b = 2"
    assert block("# %%\nb = 2", "cell", Range(start=far, end=far)).code == "b = 2"
    assert block("a = 1\nb = 2", "selection", Range(start=Position(line=1, character=0), end=far)).code == "b = 2"


@pytest.mark.parametrize("text", ["|", "# only words|", "\n\n|\n"])
def test_an_empty_file_says_so(text):
    with pytest.raises(NothingToRun, match="no statement"):
        run(text)


def test_the_hash_survives_a_formatter_but_not_a_change():
    one = text_hash("for i in x:\n    print(i)\n")
    assert one == text_hash("\r\nfor i in x:  \r\n    print(i)")
    assert one != text_hash("for i in x:\nprint(i)\n")
    assert one != text_hash("for i in y:\n    print(i)\n")
    assert len(one) == 16


def test_the_hash_is_what_the_extension_computes():
    # The extension anchors results by the same recipe; this value is fixed on both sides.
    assert text_hash("x = 1\n") == "8ff436def1451285"


def test_titles_are_short():
    title = run("x = '" + "y" * 200 + "'|\n").title
    assert (len(title), title[-2:]) == (60, "y…")


ODD = st.sampled_from(
    [
        "a = 1",
        "(",
        ")",
        "'''",
        '"""',
        "# %%",
        "# %% [md]",
        "def f():",
        "    b = 2",
        "@d",
        "\\",
        "else:",
        "",
        "🙂",
        "\0",
        "\f",
    ]
)


@settings(deadline=None)
@given(st.lists(ODD, max_size=12), st.data())
def test_no_text_is_too_odd(rows, data):
    text = "\n".join(rows)
    place = st.builds(Position, line=st.integers(0, 13), character=st.integers(0, 5))
    selection = Range(start=data.draw(place), end=data.draw(place))
    where = data.draw(st.sampled_from(["auto", "selection", "cell", "statement", "file", "toCursor", "above"]))
    for cell in cells(text):
        assert cell.title
    try:
        found = block(text, where, selection)
    except NothingToRun:
        return
    assert found.code.strip()
    assert 0 <= found.range.start.line <= found.range.end.line < len(rows)
