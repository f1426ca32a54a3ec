"""Group `code`: from a saved file to its code on every executor.

`edit_to_run_ms` begins before a module of a workspace of 200 is written, all of which the executors have loaded, and ends
when a broadcast has answered from all 16 executors, each with what was written: the program loads its module again, the
hub is told, each worker finds that it is stale and is replaced by a fork that imports all 200 anew. Beside it: the same
program's processes replaced by hand, a new `ProcessPoolExecutor` of 16 that import the same modules. `sync_5000_files_s` is `sync`'s.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.bench import sync
from tests.bench.figures import BenchError, Figure, median

EXECUTORS = 16
MODULES = 200
LIMIT = 300.0

PROGRAM = """
import importlib, json, multiprocessing, os, pathlib, sys, time
from concurrent.futures import ProcessPoolExecutor
import helper, shop, yonder

def seen():
    import helper, shop
    return os.getpid(), helper.VALUE, len(shop.LOADED)

def edit(value):
    pathlib.Path("helper.py").write_text(f"VALUE = {value}\\n")
    importlib.invalidate_caches()
    importlib.reload(helper)

def checked(found, value):
    executors, modules, rounds = found
    assert len({pid for pid, _, _ in executors}) == SIXTEEN, executors
    assert all((new, loaded) == (value, modules) for _, new, loaded in executors), executors

def anew(value):
    edit(value)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(SIXTEEN, mp_context=context) as peer:
        barrier = [peer.submit(seen) for _ in range(SIXTEEN)]
        return [one.result() for one in barrier]

SIXTEEN, MODULES, ROUNDS = (int(word) for word in sys.argv[1:])
if __name__ == "__main__":
    ours, peers = [], []
    with yonder.Pool(max=SIXTEEN, min=SIXTEEN, idle_timeout=600) as pool:
        while (state := pool.status()).idle < SIXTEEN:
            time.sleep(0.01)
        checked((pool.broadcast(seen), MODULES, 0), 0)
        for n in range(1, ROUNDS + 1):
            time.sleep(1.0)  # a person, who saves and runs, is slower
            begin = time.perf_counter()
            edit(n)
            found = pool.broadcast(seen)
            ours.append(time.perf_counter() - begin)
            checked((found, MODULES, n), n)
    for n in range(ROUNDS + 1, ROUNDS + 3):
        begin = time.perf_counter()
        found = anew(n)
        peers.append(time.perf_counter() - begin)
        assert all(value == n for _, value, _ in found)
    print(json.dumps([ours, peers]))
"""


def workspace(folder: Path, modules: int) -> None:
    """A package of so many modules less one, each of which uses the one before and the helper, and the helper."""
    (folder / "helper.py").write_text("VALUE = 0\n")
    package = folder / "shop"
    package.mkdir()
    names = [f"part{n:03}" for n in range(modules - 2)]
    for before, name in zip(["", *names], names, strict=False):
        use = f"from shop import {before}\n" if before else ""
        body = "".join(f"def f{n}(a, b={n}):\n    return a + b\n\n\n" for n in range(20))
        (package / f"{name}.py").write_text(f"import helper\n{use}\n\n{body}")
    imports = "".join(f"from shop import {name}\n" for name in names)
    (package / "__init__.py").write_text(
        f"import sys\n{imports}LOADED = ['helper', *(n for n in sys.modules if n.startswith('shop'))]\n"
    )


def edit_to_run(rounds: int) -> Figure:
    """Raises BenchError when an executor answered with anything but what was written last."""
    with tempfile.TemporaryDirectory(prefix="yonder-bench-code-") as name:
        folder = Path(name)
        workspace(folder, MODULES)
        (folder / "program.py").write_text(PROGRAM)
        command = [sys.executable, "program.py", str(EXECUTORS), str(MODULES), str(rounds)]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=LIMIT, check=False)
    if done.returncode:
        raise BenchError(f"the program that edits itself failed:\n{done.stderr}")
    ours, peers = json.loads(done.stdout)
    return Figure("edit_to_run_ms", median(ours) * 1000, "ms", {"16 new processes": median(peers) * 1000})


def measure(quick: bool) -> Iterator[Figure]:
    yield edit_to_run(3 if quick else 11)
    yield from sync.measure(2 if quick else 5)
