"""Settings that somebody else wrote: what is in force, or SettingsError that names the place; nothing else."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from yonder.errors import SettingsError
from yonder.settable import KEYS
from yonder.settings import load
from yonder.wire import Configure, OwnerToHub, Parser, Place, encode

WORDS = st.sampled_from(
    ["docker", "local", "1GB", "any:1", "pack", "torch", "PATH", "/tmp", "", "\x00", "a\nb", "../.."]
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(max_size=5)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS | st.text(max_size=4), inner, max_size=3)
)


def table(scope: str) -> st.SearchStrategy[dict[str, object]]:
    names = st.sampled_from([key.name for key in KEYS if key.scope == scope]) | st.text(max_size=3)
    return st.dictionaries(names, VALUES, max_size=4)


TREES = st.fixed_dictionaries(
    {},
    optional={
        "session": table("session") | VALUES,
        "pools": st.dictionaries(st.sampled_from(["default", "gpu", "a b", ""]), table("pool") | VALUES, max_size=2)
        | VALUES,
    },
).flatmap(lambda tree: table("tool").map(lambda tool: {**tool, **tree}))


@settings(max_examples=150, derandomize=True, deadline=None)
@given(tree=TREES)
def test_any_tree_is_settings_or_an_error_in_words(tree):
    try:
        found = load(None, tree, {"PATH": "x"})
    except SettingsError:
        return
    configure = Configure(Place(), found.pool_specs(), found.linger, found.silence, found.stream_bound)
    Parser(OwnerToHub).message(encode(configure))  # the hub takes what we let through


LINES = st.lists(
    st.sampled_from(
        [
            "[tool.yonder]",
            "[tool.yonder.pools.gpu]",
            "[tool]",
            "yonder = 1",
            "[[tool.yonder]]",
            "max = 2",
            'gpu = "any"',
            "min = 9",
        ]
    )
    | st.text(max_size=12),
    max_size=6,
)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(lines=LINES, raw=st.binary(max_size=20))
def test_any_file_is_settings_or_an_error_in_words(tmp_path_factory, lines, raw):
    folder = tmp_path_factory.getbasetemp()
    for content in ("\n".join(lines).encode("utf-8", "replace"), raw):
        (folder / "pyproject.toml").write_bytes(content)
        try:
            load(folder, None, {})
        except SettingsError as error:
            named = str(error)
        else:
            continue
        assert str(folder) in named
