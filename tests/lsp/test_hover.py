"""Descriptions as Markdown, signatures with their active parameter."""

import msgspec
import pytest

from yonder import wire
from yonder_lsp import hover, markup
from yonder_lsp.cursor import Call
from yonder_lsp.hover import Where


def written(index: int, keyword: str = "", *used: str) -> Call:
    """A call of which so much is written."""
    return Call((), index, keyword, frozenset(used))


def test_a_tensor() -> None:
    answer = wire.Answer(
        found=True,
        type="torch.Tensor",
        short="tensor 32 x 10",
        facts=[wire.Fact("shape", "32 x 10"), wire.Fact("dtype", "float32")],
    )
    text = hover.markdown("y", answer, Where(run=12, age=4.2, stale=False, busy=False))
    assert text.startswith("```python\ny: torch.Tensor\n```")
    assert "*live · run 12 · 4 s ago*" in text
    assert "shape: `32 x 10`" in text
    assert "tensor 32 x 10" not in text, "what the facts say is said once"


def test_a_function_shows_its_signature_place_and_words() -> None:
    answer = wire.Answer(
        found=True, type="function", signature="fit(model, lr=0.1)", doc="Train it.", file="/w/a.py", line=7
    )
    text = hover.markdown("fit", answer, Where(1, 0.0, stale=False, busy=False))
    assert "```python\nfit(model, lr=0.1)\n```" in text
    assert "Train it." in text
    assert "`/w/a.py:7`" in text
    in_a_list = hover.markdown("fit", answer, None)
    assert in_a_list.startswith("Train it."), "its signature stands above it"
    assert "live" not in in_a_list


@pytest.mark.parametrize(
    ("file", "shown"),
    [
        ("/home/me/.venv/lib/python3.11/site-packages/torch/_tensor.py", "torch/_tensor.py"),
        ("/usr/lib/python3.12/json/__init__.py", "json/__init__.py"),
        ("C:\\env\\Lib\\site-packages\\pandas\\core.py", "pandas\\core.py"),
        ("/w/lib/helper.py", "/w/lib/helper.py"),
        ("/w/site-packages/", "/w/site-packages/"),
    ],
)
def test_a_librarys_file_is_shown_without_its_environment(file: str, shown: str) -> None:
    answer = wire.Answer(found=True, type="function", file=file, line=3)
    assert f"`{shown}:3`" in hover.markdown("f", answer, None)


def test_edited_text_is_called_stale() -> None:
    assert hover.source_line(Where(3, 1.0, stale=True, busy=True)) == "stale: edited since · run 3"
    assert "a run is on" in hover.source_line(Where(3, 1.0, stale=False, busy=True))
    late = hover.source_line(Where(3, 1.0, stale=False, busy=True, late=True))
    assert late == "seen in run 3 · the session does not answer just now"


@pytest.mark.parametrize(
    ("age", "words"), [(0.2, "now"), (4.4, "4 s ago"), (89, "89 s ago"), (120, "2 min ago"), (7200, "2 h ago")]
)
def test_ages(age: float, words: str) -> None:
    assert hover.ago(age) == words


@pytest.mark.parametrize(
    "hostile", ["```\n[x](command:evil)\n```", "a`b", "``", "`", "[x](command:evil)", "<img src=x>"]
)
def test_what_comes_from_the_process_stays_code(hostile: str) -> None:
    answer = wire.Answer(
        found=True, type="T", short=hostile, facts=[wire.Fact(hostile, hostile)], doc=hostile, file=hostile
    )
    text = hover.markdown(hostile.replace("\n", " "), answer, None)
    outside, fence = [], ""
    for line in text.splitlines():
        ticks = line[: len(line) - len(line.lstrip("`"))]
        if not fence and len(ticks) >= 3 and "`" not in line[len(ticks) :]:
            fence = ticks
        elif fence and line == fence:
            fence = ""
        elif not fence:
            outside.append(line)
    assert not fence
    bare = "\n".join(outside)
    assert "\n<img" not in bare
    assert "\n[x]" not in bare


def test_spans_survive_backticks() -> None:
    assert markup.span("a`b``c") == "```a`b``c```"
    assert markup.span("`x") == "`` `x ``"


def test_a_long_text_is_cut() -> None:
    text = hover.markdown(
        "f", wire.Answer(found=True, type="function", doc="\n\n".join(str(n) for n in range(200))), None
    )
    assert "…" in text
    assert "150" not in text


SIGNATURE = wire.Answer(
    found=True,
    type="function",
    signature="fit(x, y, *rest, lr=0.1, **more)",
    parameters=[
        wire.Parameter("x", "x"),
        wire.Parameter("y", "y"),
        wire.Parameter("rest", "*rest", keyword=False),
        wire.Parameter("lr", "lr=0.1"),
        wire.Parameter("more", "**more", keyword=False),
    ],
)


@pytest.mark.parametrize(
    ("index", "keyword", "active"), [(0, "", 0), (1, "", 1), (2, "", 2), (5, "", 2), (0, "lr", 3), (1, "unknown", 4)]
)
def test_the_active_parameter(index: int, keyword: str, active: int) -> None:
    help_ = hover.signature("fit", SIGNATURE, written(index, keyword))
    assert help_ is not None
    assert help_["activeParameter"] == active


def test_parameters_are_places_in_the_label() -> None:
    help_ = hover.signature("fit", SIGNATURE, written(0))
    assert help_ is not None
    (one,) = help_["signatures"]
    words = [one["label"][start:end] for start, end in (parameter["label"] for parameter in one["parameters"])]
    assert words == ["x", "y", "*rest", "lr=0.1", "**more"]


def test_no_signature_no_help() -> None:
    assert hover.signature("f", wire.Answer(found=True, type="int"), written(0)) is None
    assert hover.signature("f", wire.Answer(found=False), written(0)) is None


AREA = wire.Answer(
    found=True,
    type="function",
    doc="How much.",
    signature="area(*args)",
    signatures=[
        wire.Signature("area(side: int) -> int", [wire.Parameter("side", "side: int")]),
        wire.Signature(
            "area(w, h, *, unit='m')",
            [wire.Parameter("w", "w"), wire.Parameter("h", "h"), wire.Parameter("unit", "unit='m'")],
        ),
        wire.Signature(
            "area(*many, **more)",
            [wire.Parameter("many", "*many", keyword=False), wire.Parameter("more", "**more", keyword=False)],
        ),
    ],
)


@pytest.mark.parametrize(
    ("index", "keyword", "used", "chosen", "active"),
    [
        (0, "", (), 0, 0),
        (1, "", (), 1, 1),
        (0, "", ("h",), 1, 0),
        (1, "unit", ("unit",), 1, 2),
        (7, "", (), 2, 0),
        (0, "other", ("other",), 2, 1),
    ],
)
def test_the_overload_that_fits_what_is_written(
    index: int, keyword: str, used: tuple[str, ...], chosen: int, active: int
) -> None:
    help_ = hover.signature("area", AREA, written(index, keyword, *used))
    assert help_ is not None
    assert [one["label"] for one in help_["signatures"]] == [one.text for one in AREA.signatures]
    assert (help_["activeSignature"], help_["activeParameter"]) == (chosen, active)
    assert all(one["documentation"]["value"] == "How much." for one in help_["signatures"])


def test_a_hover_shows_the_first_overloads() -> None:
    text = hover.markdown("area", AREA, None)
    assert text.startswith("```python\narea(side: int) -> int\narea(w, h, *, unit='m')\narea(*many, **more)\n```")
    many = msgspec.structs.replace(AREA, signatures=AREA.signatures * 2)
    assert "area(*many, **more)\n# and 3 more\n```" in hover.markdown("area", many, None)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("fit(model, rate=1)\n\nTrain *it*.", "```python\nfit(model, rate=1)\n```\n\nTrain \\*it\\*."),
        ("fit(model) -> int", "```python\nfit(model) -> int\n```"),
        ("Train it (now) and\nthen.\n\nMore", "Train it (now) and then.\n\nMore"),
        ("", ""),
    ],
)
def test_what_the_static_engine_says(text: str, shown: str) -> None:
    assert hover.told(text) == shown


def test_a_card_is_of_a_card_s_length_whatever_a_session_tells() -> None:
    much = "x" * 1_000_000
    answer = wire.Answer(
        found=True, type=much, short=much, doc=much, file=much, facts=[wire.Fact(much, much), wire.Fact("a", "b")] * 500
    )
    assert len(hover.markdown("x", answer, None)) < 600_000
    assert len(hover.markdown("x", wire.Answer(found=True, signature=f"({much})"), None)) < 10_000
