"""Which static engine is in use: by the setting, and by what else serves Python in this editor."""

import itertools

import pytest

from yonder_lsp.engine import EngineInUse, wanted
from yonder_lsp.protocol import Settings
from yonder_lsp.static import Static


@pytest.mark.parametrize(
    ("static", "others", "expected"),
    [
        ("auto", False, True),
        ("auto", True, False),
        ("jedi", False, True),
        ("jedi", True, True),
        ("none", False, False),
        ("none", True, False),
    ],
)
def test_when_an_engine_is_wanted(static, others, expected) -> None:
    assert wanted(Settings(static=static, other_language_server=others)) is expected


class Recorded(Static):
    """Never started; counts its ends."""

    def __init__(self, ends: list[int], number: int) -> None:
        super().__init__(lambda _: None)
        self.ends, self.number = ends, number

    async def close(self) -> None:
        self.ends.append(self.number)


async def test_it_comes_and_goes_with_the_settings() -> None:
    ends: list[int] = []
    numbers = itertools.count()
    engine = EngineInUse(lambda: Recorded(ends, next(numbers)))
    assert engine.now() is None, "nothing before the settings are known"
    await engine.apply(Settings())
    first = engine.now()
    assert first is not None
    assert engine.now() is first
    await engine.apply(Settings(looking="static-only"))
    assert engine.now() is first, "another setting leaves it alone"
    await engine.apply(Settings(other_language_server=True))
    assert engine.now() is None
    assert ends == [0], "its process does not stay for nothing"
    await engine.apply(Settings(static="jedi", other_language_server=True))
    assert engine.now() is not first
    await engine.close()
    assert ends == [0, 1]
