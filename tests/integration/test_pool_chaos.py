"""Pools under fire: workers killed at random, everybody killed in every phase, everybody stopped and let go on.

Each test is a program as a user writes it; the operating system says what is left, never the program. What a call's end
may be is the same wherever the blow falls: its value, or an error that names what happened, and no process stays.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from scripts.process_table import marked
from tests.integration.cluster import a_cluster

from yonder.backends.local import processes

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0

STORM = """
import collections, os, random, signal, sys, threading, yonder
from yonder.backends.local import processes

CALLS, RETRIES, JOURNAL = 10_000, int(sys.argv[1]), sys.argv[2]

def work(number):
    journal = os.open(JOURNAL, os.O_WRONLY | os.O_APPEND)
    os.write(journal, b"%d\\n" % number)
    os.close(journal)
    return number

def storm(over, kills):
    dice = random.Random(20)
    while not over.wait(0.03):
        mine = [one for one in processes() if one.owner.startswith(f"program-{os.getpid()}-") and one.role == "executor"]
        if mine:
            try:
                os.kill(dice.choice(mine).pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            kills.append(1)

open(JOURNAL, "w").close()
over, kills = threading.Event(), []
with yonder.Pool(max=16, preload=[]) as pool:
    list(pool.map(abs, range(64)))
    killer = threading.Thread(target=storm, args=(over, kills))
    killer.start()
    calls = pool.with_options(retries=RETRIES)
    futures = [calls.submit(work, number) for number in range(CALLS)]
    ends, again = collections.Counter(), 0
    for number, future in enumerate(futures):
        try:
            ends["ok" if future.result(60) == number else "wrong"] += 1
        except yonder.ExecutorLost:
            ends["lost"] += 1
        again += future.attempts - 1
    over.set()
    killer.join()

ran = collections.Counter(map(int, open(JOURNAL)))
print(ends["ok"] + ends["lost"] == CALLS, len(kills), ends["lost"], again)
print(all(ran[number] <= futures[number].attempts for number in range(CALLS)), max(ran.values()))
print(all(ran[number] for number, future in enumerate(futures) if future.exception() is None))
"""


def environment():
    return {**os.environ, "PYTHONPATH": str(ROOT / "executor")}


def storm(tmp_path, retries):
    """(kills, lost, retried, most runs of one call) of ten thousand calls on sixteen workers that keep dying."""
    file = tmp_path / "storm.py"
    file.write_text(STORM)
    done = subprocess.run(
        [sys.executable, str(file), str(retries), str(tmp_path / "journal")],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    first, second, third = (line.split() for line in done.stdout.splitlines())
    assert (first[0], second[0], third[0]) == ("True", "True", "True"), done.stdout
    return int(first[1]), int(first[2]), int(first[3]), int(second[1])


def test_ten_thousand_calls_under_fire_end_each_in_a_value_or_a_loss_and_none_ran_twice(tmp_path):
    kills, lost, again, most = storm(tmp_path, 0)
    assert kills >= 5
    assert 0 < lost <= kills
    assert (again, most) == (0, 1)


def test_ten_thousand_calls_under_fire_with_retries_all_have_their_value(tmp_path):
    kills, lost, again, _ = storm(tmp_path, 3)
    assert kills >= 5
    assert lost == 0
    assert 0 < again <= kills


# ── everybody killed, in every phase ──────────────────────────────────────────────────────────────────────────────────

PLAY = """
import itertools, os, subprocess, sys, threading, time, yonder
PHASE, GATE = sys.argv[1:]

def held(n):
    subprocess.Popen(["sleep", "600"], start_new_session=True)  # it has to go as well
    with open(GATE + ".half", "w") as half:
        half.write(str(os.getpid()))
    os.rename(GATE + ".half", GATE + ".begun")
    while not os.path.exists(GATE):
        time.sleep(0.01)
    return n

def endless():
    for n in itertools.count():
        yield n

def said(work):
    try:
        print(work(), flush=True)
    except yonder.YonderError as error:
        print(type(error).__name__, getattr(error, "signal", None), flush=True)

def at(phase):
    print("at", phase, flush=True)
    sys.stdin.readline()

with yonder.Pool(max=1, preload=[]) as pool:
    if PHASE == "syncing":
        pool.broadcast(held, 0)  # nobody is there yet: whoever comes does this before its first call
        future = pool.submit(abs, -7)
        while not os.path.exists(GATE + ".begun"):
            time.sleep(0.01)
        at("syncing")
        said(future.result)
    elif PHASE == "booting":
        future = pool.submit(abs, -7)
        at("booting")
        said(future.result)
    else:
        pool.call(abs, 1)
    if PHASE == "idle":
        at("idle")
        said(lambda: pool.call(abs, -7))
    if PHASE in ("running", "closing"):
        future = pool.submit(held, 7)
        while not os.path.exists(GATE + ".begun"):
            time.sleep(0.01)
        if PHASE == "closing":
            closing = threading.Thread(target=pool.close)
            closing.start()
        at(PHASE)
        said(future.result)
    if PHASE == "streaming":
        stream = pool.stream(endless)

        def read():
            for n in stream:
                if n == 100:
                    at("streaming")
                if n == 5000:
                    stream.cancel()
                    return 7

        said(read)
    if PHASE != "closing":
        said(lambda: pool.call(abs, -8))  # by now the hub has heard of any death
print("closed", flush=True)
"""


class Play:
    """A program in the middle of something."""

    def __init__(self, folder, phase):
        self.gate = folder / "gate"
        file = folder / "play.py"
        file.write_text(textwrap.dedent(PLAY))
        self._words = (folder / "words").open("w+")
        self.program = subprocess.Popen(
            [sys.executable, str(file), phase, str(self.gate)],
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._words,
            text=True,
        )
        self.owner = ""
        assert self.line() == f"at {phase}", self.words()

    def line(self):
        return self.program.stdout.readline().strip()

    def words(self):
        self._words.seek(0)
        return self._words.read()[-3000:]

    def victim(self, role):
        """A process of that role; the one of a pool that is still booting may have to come first."""
        found = eventually(lambda: [one for one in self.mine() if one.role == role], f"a {role}")
        return found[0].pid

    def worker(self):
        """Who holds the call."""
        return int(Path(f"{self.gate}.begun").read_text())

    def mine(self):
        found = [one for one in processes() if one.owner.startswith(f"program-{self.program.pid}-")]
        if found:
            self.owner = found[0].owner
        return found

    def go_on(self):
        self.gate.touch()
        self.program.stdin.write("\n")
        self.program.stdin.flush()

    def rest(self):
        """What it says until its end."""
        out, _ = self.program.communicate(timeout=PATIENCE)
        return out.splitlines()

    def end(self):
        with contextlib.suppress(ProcessLookupError):
            self.program.kill()
        self.program.communicate()
        self._words.close()


def eventually(condition, what):
    """Wait for what only the process table or the file system tells."""
    end = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < end, f"never came: {what}"
        time.sleep(0.005)
    return found


@pytest.fixture
def play(tmp_path):
    plays = []

    def begin(phase):
        folder = tmp_path / str(len(plays))
        folder.mkdir()
        plays.append(Play(folder, phase))
        return plays[-1]

    yield begin
    for one in plays:
        one.end()


LOST, FINE = "ExecutorLost 9", "7"
# Booting is killed as soon as the process table shows the victim: an agent in the middle of its creation.
BLOWS = [
    ("booting", "agent", {FINE, "ExecutorLost 9", "ExecutorLost None", "BootFailed None"}),
    ("booting", "zygote", {FINE, "BootFailed None"}),
    ("booting", "executor", {FINE, LOST, "BootFailed None"}),
    ("syncing", "agent", {FINE, LOST, "ExecutorLost None", "BootFailed None"}),
    ("syncing", "zygote", {FINE}),
    ("syncing", "executor", {FINE, "BootFailed None"}),
    ("idle", "agent", {FINE, LOST, "ExecutorLost None"}),
    ("idle", "zygote", {FINE}),
    ("idle", "executor", {FINE, LOST}),
    ("running", "agent", {LOST, "ExecutorLost None"}),
    ("running", "zygote", {FINE}),
    ("running", "executor", {LOST}),
    ("streaming", "agent", {LOST, "ExecutorLost None"}),
    ("streaming", "zygote", {FINE}),
    ("streaming", "executor", {LOST}),
    ("closing", "agent", {LOST, "ExecutorLost None"}),
    ("closing", "zygote", {FINE}),
    ("closing", "executor", {LOST}),
]


@pytest.mark.parametrize(("phase", "role", "ends"), BLOWS, ids=[f"{role}-{phase}" for phase, role, _ in BLOWS])
def test_a_kill_in_any_phase_is_an_end_in_words_and_the_pool_goes_on(play, phase, role, ends):
    one = play(phase)
    victim = one.victim(role)
    dying = {victim} | {found.pid for found in one.mine() if role == "agent" and found.role == "executor"}
    os.kill(victim, signal.SIGKILL)
    eventually(lambda: not dying & {found.pid for found in one.mine()}, "the end of the victim and of its own")
    one.go_on()
    said = one.rest()
    assert said[0] in ends, (said, one.words())
    assert said[1:] == (["closed"] if phase == "closing" else ["8", "closed"]), (said, one.words())
    assert one.program.returncode == 0
    eventually(lambda: not marked(one.owner), "the end of every process")


@pytest.mark.parametrize("phase", ["booting", "syncing", "idle", "running", "streaming", "closing"])
def test_a_program_killed_in_any_phase_leaves_nothing(play, phase):
    one = play(phase)
    one.victim("agent")  # there is something to leave behind
    one.program.kill()
    eventually(lambda: not marked(one.owner), "the end of every process")
    assert not [left for left in processes() if left.owner == one.owner]


def test_a_program_killed_while_its_agent_is_stopped_leaves_nothing(play):
    one = play("running")
    os.kill(one.victim("agent"), signal.SIGSTOP)
    one.program.kill()
    eventually(lambda: not marked(one.owner), "the end of every process")


CELLS = {
    "booting": "future = pool.submit(abs, 1)",
    "syncing": "pool.broadcast(time.sleep, 600); future = pool.submit(abs, 1)",
    "idle": "pool.call(abs, 1)",
    "running": "pool.call(abs, 1); future = pool.submit(time.sleep, 600)",
    "streaming": "stream = pool.stream(endless); next(stream)",
    "closing": "pool.call(abs, 1); pool.submit(time.sleep, 600); threading.Thread(target=pool.close).start()",
}


@pytest.mark.parametrize("phase", CELLS)
async def test_a_hub_killed_in_any_phase_takes_everything_with_it(tmp_path, phase):
    code = f"""
import itertools, threading, time, yonder
def endless():
    yield from itertools.count()
pool = yonder.Pool(max=2)
{CELLS[phase]}
"""
    async with a_cluster(tmp_path) as (cluster, owner):
        ended = await owner.run(code)
        assert ended.outcome == "ok", ended.failure
        assert cluster.processes("agent", "executor")
        cluster.kill(cluster.note.pid)
        await cluster.wait_for(lambda: not cluster.processes(), "agents, zygotes and executors to end")


# ── everybody stopped, and let go on ──────────────────────────────────────────────────────────────────────────────────


def test_who_is_stopped_and_goes_on_has_lost_nothing(play):
    """Four programs at once, since the waiting is the same: one has its executor stopped, one its agent, …"""
    stopped = []
    for role in ("executor", "agent", "zygote", "program"):
        one = play("running")
        victim = one.program.pid if role == "program" else one.victim(role)
        stopped.append((one, victim))
        os.kill(victim, signal.SIGSTOP)
    time.sleep(6.5)  # longer than heartbeats and the five seconds that count as a pause
    for one, victim in stopped:
        assert one.worker() in {found.pid for found in one.mine()}
        os.kill(victim, signal.SIGCONT)
        one.go_on()
    for one, _ in stopped:
        assert one.rest() == ["7", "8", "closed"], one.words()
        eventually(lambda one=one: not marked(one.owner), "the end of every process")


# ── what a pool owes while things go wrong ────────────────────────────────────────────────────────────────────────────


def program(folder, code):
    """Run a program to its end and return its lines; none of its processes is left then."""
    file = folder / "program.py"
    file.write_text(textwrap.dedent(code))
    running = subprocess.Popen(
        [sys.executable, str(file)], env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        out, err = running.communicate(timeout=PATIENCE)
    finally:
        running.kill()
    assert running.returncode == 0, out + err[-3000:]
    assert not [one for one in processes() if one.owner.startswith(f"program-{running.pid}-")]
    return out.splitlines()


def test_cancelling_at_any_moment_never_hits_the_next_call_and_costs_no_executor(tmp_path):
    lines = program(
        tmp_path,
        """
        import os, random, time, yonder
        dice = random.Random(3)
        def spin(seconds):
            end = time.perf_counter() + seconds
            while time.perf_counter() < end:
                pass
        with yonder.Pool(max=1, preload=[]) as pool:
            before = pool.call(os.getpid)
            wrong = []
            for n in range(400):
                future = pool.submit(spin, 0.001)
                time.sleep(dice.random() * 0.003)
                future.cancel()
                try:
                    if pool.call(abs, -n) != n:
                        wrong.append(n)
                except BaseException as error:
                    wrong.append(repr(error))
            print(wrong, pool.call(os.getpid) == before)
        """,
    )
    assert lines == ["[] True"]


def test_what_a_call_printed_is_there_before_its_value(tmp_path):
    lines = program(
        tmp_path,
        """
        import sys, yonder
        class Heard:
            text = ""
            def write(self, text):
                self.text += text
            def flush(self):
                pass
        def speak(n):
            print("line", n, flush=n % 2 == 0)
            return n
        with yonder.Pool(max=2, preload=[]) as pool:
            terminal, sys.stdout = sys.stdout, Heard()
            late = [n for n in range(2000) if f"line {pool.call(speak, n)}\\n" not in sys.stdout.text]
            heard, sys.stdout = sys.stdout, terminal
        print(late, sorted(heard.text.splitlines()) == sorted(f"line {n}" for n in range(2000)))
        """,
    )
    assert lines == ["[] True"]


def test_a_child_that_holds_everything_open_hides_no_death(tmp_path):
    lines = program(
        tmp_path,
        """
        import os, signal, subprocess, yonder
        def parent():
            subprocess.Popen(["sleep", "600"], close_fds=False, start_new_session=True)
            os.kill(os.getpid(), signal.SIGKILL)
        with yonder.Pool(max=1, preload=[]) as pool:
            try:
                pool.submit(parent).result(20)
            except yonder.ExecutorLost as lost:
                print(lost.signal)
            print(pool.call(abs, -1))
        """,
    )
    assert lines == ["9", "1"]


def test_the_kept_executors_come_back_though_nobody_calls(tmp_path):
    lines = program(
        tmp_path,
        """
        import os, signal, time, yonder
        from yonder.backends.local import processes
        def executors():
            return {p.pid for p in processes() if p.owner.startswith(f"program-{os.getpid()}-") and p.role == "executor"}
        def ready(n):
            return pool.status().executors - pool.status().booting >= n
        with yonder.Pool(min=4, max=4, preload=[]) as pool:
            while not ready(4):
                time.sleep(0.01)
            first = executors()
            for pid in first:
                os.kill(pid, signal.SIGKILL)
            while len(executors() - first) < 4 or not ready(4):
                time.sleep(0.01)
            print(len(executors()), pool.call(abs, -1))
        """,
    )
    assert lines == ["4 1"]


async def test_a_reader_that_does_not_read_lets_the_hub_stay_small(tmp_path):
    code = """
import os, yonder
pool = yonder.Pool(max=2, preload=[])
def large(n):
    return bytes([n]) * (20 * 1024 * 1024)
pool.call(abs, 1)
os.getpid()
"""
    async with a_cluster(tmp_path) as (cluster, owner):
        reader = int((await owner.run(code)).preview.short)
        await owner.run("futures = [pool.submit(large, n) for n in range(20)]")
        cluster.kill(reader, signal.SIGSTOP)
        peak = 0
        for _ in range(40):
            lines = Path(f"/proc/{cluster.note.pid}/status").read_text().splitlines()
            peak = max(peak, next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmRSS")))
            await asyncio.sleep(0.1)  # nothing tells that a process has not grown
        cluster.kill(reader, signal.SIGCONT)
        read = await owner.run("sum(len(future.result()) for future in futures) >> 20")
        assert read.preview.short == "400"
        assert peak < 150
