"""What a call had to import is there when the next executor begins."""

import pytest
from tests.integration.programs import program

PROGRAM = """
    import os, pathlib, sys, time
    site = pathlib.Path(__file__).parent / "site-packages"
    site.mkdir()
    (site / "heavy.py").write_text("value = 7")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])
    import yonder

    def use():
        import heavy
        return heavy.value

    def has():
        return "heavy" in sys.modules

    with yonder.Pool(max=1, isolation="process"{preload}) as pool:
        print(pool.call(has), pool.call(use))
        end = time.monotonic() + {seconds}
        while not (there := pool.call(has)) and time.monotonic() < end:
            pass
        print(there, pool.call(use))
"""


def test_executors_to_come_begin_with_what_earlier_calls_imported(tmp_path):
    assert program(tmp_path, PROGRAM.format(preload="", seconds=60)).split() == ["False", "7", "True", "7"]


@pytest.mark.parametrize("preload", ["[]", "['json']"])
def test_nothing_is_learned_where_the_program_has_said_what_to_import(tmp_path, preload):
    out = program(tmp_path, PROGRAM.format(preload=f", preload={preload}", seconds=2))
    assert out.split() == ["False", "7", "False", "7"]
