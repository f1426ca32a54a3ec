"""The real server, when the session's names are known and its answers do not come."""

import asyncio
from pathlib import Path

from tests.lsp import fakes
from tests.lsp.test_server import TEXT, end, folder, peeks, runtime, scene

from yonder import wire

__all__ = ["folder", "runtime"]

KIN = 77
NAMES = wire.Answer(
    True,
    whole=True,
    mark=3,
    total=2,
    rows=[
        wire.Row("x", "v", "torch.Tensor", "Tensor[32, 10] float32", kin=KIN),
        wire.Row("y", "v", "torch.Tensor", "Tensor[5] float32", kin=KIN),
    ],
)
MEMBERS = wire.Answer(
    True,
    type="torch.Tensor",
    members=[wire.Member("only_x", "f", 0), wire.Member("backward", "m", 1), wire.Member("shape", "p", 1)],
    kin=KIN,
)


async def names_known(hub: fakes.FakeHub, answer: wire.Answer = NAMES) -> None:
    """The session runs something, and its names are told."""
    hub.names = lambda query: answer if query.since == 0 else None
    while not hub.names_asked.empty():
        hub.names_asked.get_nowait()
    await hub.tell(wire.SessionChanged("main", "idle", 2, 1.0, "/usr/bin/python3", 99))
    async with asyncio.timeout(20):
        await hub.names_asked.get()


async def test_names_are_offered_while_the_session_says_nothing(folder: Path) -> None:
    async with scene(folder) as (window, hub):
        await names_known(hub)
        document = window.open(folder / "a.py", TEXT + "zz = ")
        async with asyncio.timeout(20):
            while True:
                found = await window.complete(document, end(document))
                labels = {item["label"]: item for item in found["items"]}
                if "y" in labels:
                    break
        assert found["isIncomplete"] is True
        assert labels["y"]["detail"] == "Tensor"


async def test_members_of_a_known_type_are_offered_while_the_session_says_nothing(folder: Path) -> None:
    async with scene(folder) as (window, hub):
        await names_known(hub)
        peeks(hub, MEMBERS)
        document = window.open(folder / "a.py", TEXT + "x.")
        found = await window.complete(document, end(document))
        assert [item["label"] for item in found["items"]] == ["only_x", "backward", "shape"]
        del hub.answers[wire.Peek]  # from now on it says nothing
        other = window.open(folder / "b.py", "y.")
        async with asyncio.timeout(20):
            while not (found := await window.complete(other, end(other)))["items"]:
                pass
        assert [item["label"] for item in found["items"]] == ["backward", "shape"]
        assert found["isIncomplete"] is True


async def test_a_restart_leaves_nothing_of_the_names(folder: Path) -> None:
    async with scene(folder) as (window, hub):
        await names_known(hub)
        document = window.open(folder / "a.py", TEXT + "zz = ")
        async with asyncio.timeout(20):
            while not any(item["label"] == "y" for item in (await window.complete(document, end(document)))["items"]):
                pass
        hub.names = lambda query: None
        await hub.tell(wire.SessionChanged("main", "idle", 1, 1.0, "/usr/bin/python3", 100))
        async with asyncio.timeout(20):
            while any(item["label"] == "y" for item in (await window.complete(document, end(document)))["items"]):
                pass
