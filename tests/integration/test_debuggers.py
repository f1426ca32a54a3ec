"""A debugger stops in modules of the workspace by the person's own path and line, wherever they run: also once the file on
the disk says something else."""

import textwrap

import pytest
from tests.integration.test_traps import a_window

HELPER = """
def halves(numbers):
    found = []
    for number in numbers:
        half = number / 2
        found.append(half)
    return found
"""
LINE = 5
TEXT = "        half = number / 2"

DEBUG = f"""
def debugged(numbers):
    import bdb, inspect, linecache
    import pkg.helper as helper
    class Stops(bdb.Bdb):
        def user_line(self, frame):
            if self.break_here(frame):
                here = frame.f_code.co_filename, frame.f_lineno
                seen.append((*here, linecache.getline(*here).rstrip(), frame.f_locals["number"]))
            self.set_continue()
    seen = []
    stops = Stops()
    refused = stops.set_break(PATH, {LINE})
    return refused, stops.runcall(helper.halves, numbers), seen, inspect.getsource(helper.halves), inspect.getsource(helper)
"""
HERE = "debugged([1, 2])"
THERE = """
import yonder
with yonder.Pool(max=1) as pool:
    value = pool.call(debugged, [1, 2])
value
"""


@pytest.mark.parametrize("run", [HERE, THERE], ids=["session", "pool"])
async def test_it_stops_at_the_owners_path_and_line(tmp_path, run):
    async with a_window(tmp_path) as window:
        window.write("pkg/__init__.py", "")
        window.write("pkg/helper.py", HELPER)
        path = str(tmp_path / "pkg" / "helper.py")
        first = await window.publish()

        async def found(snapshot):
            code = DEBUG.replace("PATH", repr(path)) + textwrap.dedent(run)
            ended = await window.owner.run(code, snapshot=snapshot.digest)
            assert ended.outcome == "ok", ended.failure.text
            return ended.preview.text

        stops = [(path, LINE, TEXT, 1), (path, LINE, TEXT, 2)]
        expected = repr((None, [0.5, 1.0], stops, HELPER.lstrip("\n"), HELPER))
        (tmp_path / "pkg" / "helper.py").write_text("# another file altogether\n")
        assert await found(first) == expected
        (tmp_path / "pkg" / "helper.py").unlink()
        assert await found(first) == expected
        window.write("pkg/helper.py", HELPER.replace("number / 2", "number / 4"))
        changed = expected.replace("number / 2", "number / 4").replace("[0.5, 1.0]", "[0.25, 0.5]")
        assert await found(await window.publish()) == changed
