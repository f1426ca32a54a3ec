"""The extension's types are what protocol.py says, and a stale file is noticed."""

import subprocess
from pathlib import Path
from typing import Literal

import msgspec
import pytest
from msgspec import inspect as shapes

from yonder_lsp import generate, protocol


class Leaf(msgspec.Struct, frozen=True):
    """A leaf."""

    words: list[str | None]


class Tree(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A tree of
    two lines."""

    left_side: Leaf | None
    kind: Literal["b", "a"] = "a"
    by_name: dict[str, Leaf] = {}
    anything: object = None


def spelled(hint: object) -> str:
    return generate.spelled(shapes.type_info(hint))


@pytest.mark.parametrize(
    ("hint", "wanted"),
    [
        (str, "string"),
        (int, "number"),
        (float, "number"),
        (bool, "boolean"),
        (Leaf, "Leaf"),
        (object, "unknown"),
        (float | None, "number | null"),
        (list[int], "readonly number[]"),
        (list[int | None], "readonly (number | null)[]"),
        (dict[str, float], "Readonly<Record<string, number>>"),
        (Literal["x", "y"], '"x" | "y"'),
    ],
)
def test_types_are_spelled(hint, wanted):
    assert spelled(hint) == wanted


def test_a_type_without_spelling_is_refused():
    with pytest.raises(TypeError, match="no TypeScript spelling"):
        spelled(bytes)


def test_an_interface_towards_the_client_has_every_field():
    lines = list(generate.interface(Tree, may_omit=False))
    assert "  readonly leftSide: Leaf | null;" in lines
    assert any(line.startswith("  readonly kind: ") for line in lines)
    assert lines[:4] == ["/**", " * A tree of", " * two lines.", " */"]


def test_an_interface_towards_the_server_may_leave_out_defaults():
    lines = list(generate.interface(Tree, may_omit=True))
    assert any(line.startswith("  readonly kind?: ") for line in lines)
    assert "  readonly leftSide: Leaf | null;" in lines


def test_shapes_inside_shapes_are_found():
    assert generate.reachable([Tree]) == {Tree, Leaf}


def test_every_shape_and_method_is_in_the_file():
    text = generate.source()
    for shape in generate.declared():
        assert f"export interface {shape.__name__} {{" in text or f"export type {shape.__name__} =" in text
    for method in (*protocol.REQUESTS, *protocol.NOTIFICATIONS_TO_SERVER, *protocol.NOTIFICATIONS_TO_CLIENT):
        assert f'"{method.name}": ' in text
    assert "any" not in {
        word.strip(";,") for line in text.splitlines() if line.startswith("  readonly") for word in line.split()
    }


def test_keys_are_those_that_msgspec_writes():
    text = generate.source()
    summary = protocol.RunSummary.__struct_encode_fields__
    assert "callsDone" in summary
    for key in summary:
        assert f"  readonly {key}: " in text


def test_the_committed_file_is_true():
    assert generate.TARGET.read_text(encoding="utf-8") == generate.source()


def test_a_stale_file_fails_the_check_and_is_not_touched(tmp_path, capsys):
    target = tmp_path / "protocol.gen.ts"
    assert generate.main([], target) == 0
    assert generate.main(["--check"], target) == 0
    target.write_text(target.read_text() + "// edited\n")
    assert generate.main(["--check"], target) == 1
    assert "stale" in capsys.readouterr().err
    assert target.read_text().endswith("// edited\n")
    assert generate.main([], target) == 0
    assert not target.read_text().endswith("// edited\n")


def test_a_missing_file_is_stale(tmp_path):
    assert generate.main(["--check"], tmp_path / "none.ts") == 1


def test_the_file_compiles():
    compiler = Path(generate.TARGET).parents[2] / "node_modules" / "typescript" / "bin" / "tsc"
    if not compiler.exists():
        pytest.skip("the Node packages are not installed")
    done = subprocess.run(
        ["node", str(compiler), "--noEmit", "--strict", str(generate.TARGET)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
