"""Figures of group `code` on how a large workspace comes to an executor.

`sync_5000_files_s` begins before a program opens its pool in a folder of 5,000 modules in 200 packages that nobody has
looked at, and ends with the first call's answer: the folder is listed, read, told to the hub, and stowed by the agent. The
agent is up already and the folder's pages are in memory. Beside it the same in a folder of one module, the look at the
folder alone, and what the next call takes when one of the modules was edited and imported again.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.bench.figures import BenchError, Figure, median

FILES, PACKAGES = 5_000, 200
PROGRAM = """
import importlib, sys, time, yonder
from yonder.loaded import Loaded
large, small = sys.argv[1:]
warm = yonder.Pool("warm", max=1)
warm.call(abs, -1)

def first(name, folder):
    sys.path[0] = folder
    begin = time.perf_counter()
    pool = yonder.Pool(name, max=1)
    pool.call(abs, -1)
    return pool, time.perf_counter() - begin

one, little = first("one", small)
begin = time.perf_counter()
files = len(Loaded(large).snapshot().files)
look = time.perf_counter() - begin
many, whole = first("many", large)
module = importlib.import_module("pack7.mod7")
many.call(abs, -1)
edits = []
for number in range(9):
    with open(module.__file__, "a") as file:
        file.write(f"edited = {number}\\n")
    begin = time.perf_counter()
    importlib.reload(module)
    many.call(abs, -1)
    edits.append(time.perf_counter() - begin)
print(files, whole, little, look, sorted(edits)[4])
for pool in (one, many, warm):
    pool.close()
"""


def measure(rounds: int) -> Iterator[Figure]:
    """Raises BenchError when not all files came along."""
    wholes, littles, looks, edits = [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        large, small = Path(folder, "large"), Path(folder, "small")
        _write(large, FILES)
        _write(small, 1)
        for _ in range(rounds):
            asked = [sys.executable, "-B", "-c", PROGRAM, str(large), str(small)]
            said = subprocess.run(asked, check=True, capture_output=True, text=True, timeout=120, cwd=folder).stdout
            files, *seconds = said.split()
            if int(files) < FILES:
                raise BenchError(f"only {files} of {FILES} files were looked at")
            for found, second in zip((wholes, littles, looks, edits), seconds, strict=True):
                found.append(float(second))
    beside = {
        "a folder of one file": median(littles),
        "the look at it alone": median(looks),
        "one of them edited": median(edits),
    }
    yield Figure("sync_5000_files_s", median(wholes), "s", beside)


def _write(folder: Path, files: int) -> None:
    for number in range(files):
        package = folder / f"pack{number % PACKAGES}"
        package.mkdir(parents=True, exist_ok=True)
        body = "\n\n".join(f"def f{n}(x):\n    return x + {number} * {n}" for n in range(40))
        (package / f"mod{number}.py").write_text(f'"""Module {number}."""\n\n{body}\n')
