"""What calls write on executors elsewhere: found, fetched, and named before it is lost."""

import os
import time
from pathlib import Path

import pytest
from tests.links.elsewhere import elsewhere

import yonder
from yonder.preflight import paths_of


@pytest.fixture(scope="module")
def meeting(tmp_path_factory):
    with elsewhere(tmp_path_factory.mktemp("meeting")) as found:
        yield found


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def opened(name="p", **wishes):
    return yonder.Pool(name, backend="docker", max=1, preload=[], **wishes)


def writes(name, text="x"):
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(text)
    return os.getcwd()


def lasts(name, text="x"):
    """A call whose files are known to be its own: longer than clocks are uncertain."""
    begun = time.monotonic()
    while time.monotonic() < begun + 0.1:
        pass
    where = writes(name, text)
    while time.monotonic() < begun + 0.2:
        pass
    return where


def test_what_a_call_wrote_is_listed_and_fetched(meeting, here):
    with opened() as pool:
        first, second = pool.submit(lasts, "out/a.txt", "a" * 500_000), pool.submit(lasts, "b.txt")
        where = first.result()
        assert second.result() == where != str(here)
        assert [(file.path, file.size) for file in first.files] == [("out/a.txt", 500_000)]
        assert [file.path for file in second.files] == ["b.txt"]
        assert {file.path for file in pool.files()} == {"out/a.txt", "b.txt"}
        for file in pool.files():
            assert file.fetch() == here / file.path.rpartition("/")[2]
            assert file.fetched
        assert (here / "a.txt").read_text() == "a" * 500_000
        (here / "b.txt").write_text("changed by hand")
        kept = second.files[0].fetch(here / "b.txt")
        assert kept == here / "b (2).txt"
        assert (here / "b.txt").read_text() == "changed by hand"
        assert all(file.fetched for file in pool.files())


def test_what_nobody_fetched_is_named_when_the_pool_closes(meeting):
    pool = opened()
    pool.call(writes, "model.pt")
    with pytest.warns(UserWarning, match=r"were not fetched: model\.pt \(1 bytes\).*outputs="):
        pool.close()


def test_outputs_come_by_themselves(meeting, here):
    with opened("train", outputs=["*.pt", "results/"]) as pool:
        for n in range(3):
            pool.call(writes, f"results/{n}.csv", str(n))
        pool.call(writes, "deep/model.pt", "m")
    (folder,) = (here / "outputs").iterdir()
    assert folder.name.startswith("train-")
    came = {str(file.relative_to(folder)): file.read_text() for file in folder.rglob("*") if file.is_file()}
    assert came == {"results/0.csv": "0", "results/1.csv": "1", "results/2.csv": "2", "deep/model.pt": "m"}


def test_an_output_comes_while_the_pool_goes_on(meeting, here):
    with opened("train", outputs=["*.pt"]) as pool:
        pool.call(writes, "model.pt", "m")
        pool.call(lambda: None)
        pool._outputs.finish()  # what was heard of so far
        heard = pool.files()
        assert [file.path for file in heard] == ["model.pt"]


def test_a_file_that_is_gone_is_said_to_be(meeting):
    with opened() as pool:
        pool.call(writes, "a.txt")
        (file,) = pool.files()
        pool.call(os.unlink, "a.txt")
        with pytest.raises(yonder.FetchFailed, match="No such file"):
            file.fetch()
        assert list(Path.cwd().iterdir()) == []
        pool.call(writes, "a.txt", "again")
        pool.files()[0].fetch()


def test_an_executor_that_ended_took_its_files_along(meeting):
    pool = opened(idle_timeout=0.2)
    with pool.events() as events:
        pool.call(writes, "lost.pt")
        said = next(event for event in events if event.kind in ("files_lost", "gone"))
    assert said.kind == "files_lost"  # before it is gone
    assert "lost.pt" in said.sentence
    with pytest.warns(UserWarning, match=r"lost\.pt"):
        pool.close()


def reads():
    return Path("only_here.csv").read_text()


def test_a_path_that_is_here_only_is_named_before_and_after(meeting, here):
    (here / "only_here.csv").write_text("1")
    with opened() as pool:
        with pytest.raises(FileNotFoundError) as caught:
            pool.call(reads)
        there, this_side = caught.value.__notes__
        assert "It was looked for on" in there
        assert "'only_here.csv' (1 B) is on this side only" in this_side
        assert "include" in this_side
    folder = Path(__file__).parent
    check = paths_of(str(here), lambda _: False)
    (found,) = check(reads, (), {})
    assert found.subject == "file"
    assert "only_here.csv" in found.sentence
    assert list(paths_of(str(here), lambda path: path == "only_here.csv")(reads, (), {})) == []
    assert list(paths_of(str(folder), lambda _: False)(reads, (), {})) == []
    assert list(check(len, (), {})) == []
