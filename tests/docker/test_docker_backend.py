"""The docker backend on a real engine: what a container may and may not, how its end is told, and what is left when a
boot is cut short at an ugly moment."""

import asyncio
import contextlib
import json
import socket
import subprocess

import pytest
from scripts.engine import Engine
from tests.docker.harbour import STAY, Gossip, Harbour, containers, docker, inspected, make_obedient
from tests.docker.registry import Registry

from yonder.backends import engine as engines
from yonder.backends import fleet as fleets
from yonder.errors import BootFailed, CannotRun
from yonder.hub.tls import Authority
from yonder.version import __version__
from yonder.wire import Resources


@pytest.fixture(scope="session")
def obedient(engine):
    make_obedient(engine)
    return engine


@pytest.fixture
async def harbour(obedient, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    made = Harbour(obedient)
    yield made
    await made.close()


# ── what it is ────────────────────────────────────────────────────────────────────────────────────────────────────────

PROBE = """
import json, os, socket
def status(name):
    return next(line.split()[1] for line in open("/proc/self/status") if line.startswith(name + ":"))
def writable(folder):
    try:
        open(folder + "/x", "w").close()
    except OSError:
        return False
    return True
shm = os.statvfs("/dev/shm")
v1 = "/sys/fs/cgroup/memory/memory.limit_in_bytes"
memory = open(v1 if os.path.exists(v1) else "/sys/fs/cgroup/memory.max").read()
print(json.dumps({
    "uid": os.getuid(), "capabilities": int(status("CapEff"), 16), "no_new": status("NoNewPrivs"), "cwd": os.getcwd(),
    "home": os.environ["HOME"], "shm": shm.f_blocks * shm.f_frsize, "memory": int(memory), "names": sorted(os.environ),
    "writable": [one for one in ("/", "/opt/yonder", "/usr", "/tmp", "/work", "/run/yonder") if writable(one)],
}))
"""


async def test_an_executor_has_its_bounds_and_no_rights(harbour):
    report = await harbour.run(PROBE, resources=Resources(cpus=1.0, memory=300_000_000), shm_size="100MB")
    assert report.code == 0, report.stderr
    found = json.loads(report.stderr)
    assert (found["uid"], found["capabilities"], found["no_new"]) == (10001, 0, "1")
    assert (found["cwd"], found["home"]) == ("/work", "/work")
    assert found["writable"] == ["/tmp", "/work", "/run/yonder"]
    assert abs(found["shm"] - 100_000_000) < 4096
    assert abs(found["memory"] - 300_000_000) < 4096
    assert not [name for name in found["names"] if "YONDER" in name]


async def test_the_invitation_goes_to_standard_input_and_nowhere_else(harbour):
    handle = await harbour.boot(program=f"secret = 'hunter2'; {STAY}", lifetime=5.0)
    told = json.dumps(await inspected(harbour.engine, handle.native))
    assert "hunter2" not in told
    assert "hunter2" not in await docker(harbour.engine, "logs", handle.native)
    assert "hunter2" not in await docker(harbour.engine, "top", handle.native, "-eo", "pid,args")
    (invited,) = harbour.pier.invited
    assert invited[0] == handle.agent
    assert invited[3] == 5.0


async def test_labels_name_it_for_docker_ps(harbour):
    handle = await harbour.boot()
    marks = (await inspected(harbour.engine, handle.native))["Config"]["Labels"]
    assert marks["dev.yonder.executor"] == handle.executor
    assert marks["dev.yonder.hub"] == str(harbour.folder.hub_socket)
    assert await containers(harbour.engine, f"name=yonder-{handle.executor}") == [handle.native]


async def test_phases_are_told_in_order(harbour):
    phases = []
    await harbour.boot(phases=phases)
    names = [phase for phase, _ in phases]
    assert names[0] == "creating"
    assert names[-1] == "starting"
    assert " dials " in phases[-1][1]


async def test_a_second_boot_of_the_same_executor_is_the_first(harbour):
    wanted = harbour.spec()
    first, second = await asyncio.gather(harbour.boot(wanted), harbour.boot(wanted))
    assert first == second
    assert await harbour.left() == [first.native]


async def test_a_network_of_ones_own_and_its_gateway(harbour):
    name = f"yonder-test-{harbour.owner}"
    await docker(harbour.engine, "network", "create", name)
    try:
        handle = await harbour.boot(harbour.spec(network=name))
        network = json.loads(await docker(harbour.engine, "network", "inspect", name))[0]
        (_, listen, reach, _) = harbour.pier.invited[0]
        assert (listen, reach) == (network["IPAM"]["Config"][0]["Gateway"], "")
        with socket.socket() as probe:
            probe.bind((listen, 0))  # the hub can listen there
        await harbour.backend.terminate(handle)
    finally:
        await docker(harbour.engine, "network", "rm", name)
    with pytest.raises(BootFailed, match="no such network") as failed:
        await harbour.boot(harbour.spec(network=name))
    assert failed.value.phase == "creating"
    with pytest.raises(BootFailed, match="network none"):
        await harbour.boot(harbour.spec(network="none"))


async def test_an_engine_over_tcp_with_certificates_and_without(harbour, tmp_path):
    authority = Authority("localhost")
    ours = authority.certify("owner", "somebody")
    for name, text in (("ca", authority.pem), ("cert", ours.certificate), ("key", ours.key)):
        (tmp_path / f"{name}.pem").write_text(text)
    async with Gossip(harbour.engine.host, tls=authority.server_context()) as line:
        report = await harbour.run("print('over tls')", host=line.host, cert_path=str(tmp_path))
        assert (report.code, report.stderr) == (0, "over tls")
        with pytest.raises(BootFailed, match="does not answer"):
            await harbour.boot(harbour.spec(host=line.host))
    async with Gossip(harbour.engine.host) as line:
        report = await harbour.run("print('on loopback')", host=line.host)
        assert (report.code, report.stderr) == (0, "on loopback")


# ── how it ends ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_one_that_dies_at_once_is_told_with_its_last_words(harbour):
    report = await harbour.run("print('about to fail'); raise ValueError('boom')")
    assert report.code == 1
    assert "about to fail" in report.stderr
    assert "ValueError: boom" in report.stderr
    assert await harbour.left() == []


async def test_out_of_memory_is_the_engines_verdict(harbour):
    report = await harbour.run("bytearray(500_000_000)", resources=Resources(memory=64_000_000))
    assert (report.signal, report.out_of_memory) == (9, True)


async def test_one_that_is_killed_is_not_out_of_memory(harbour):
    handle = await harbour.boot()
    await docker(harbour.engine, "kill", handle.native)
    agent, sentence, report = await harbour.pier.told()
    assert (agent, report.signal, report.out_of_memory) == (handle.agent, 9, False)
    assert sentence == f"the container yonder-{handle.executor} was killed by signal 9 (SIGKILL)"


async def test_what_ends_is_removed_by_the_engine_with_nobody_there(harbour):
    handle = await harbour.boot()
    await harbour.backend.close()
    await docker(harbour.engine, "kill", handle.native)
    await asyncio.wait_for(gone(harbour), 30)


async def gone(harbour):
    while await harbour.left():  # noqa: ASYNC110 - asked of the engine, from outside
        await asyncio.sleep(0.05)


async def test_an_end_that_came_during_a_cut_is_told_after_it(harbour, tmp_path):
    async with Gossip(harbour.engine.host, tmp_path / "line.sock") as line:
        harbour.host = line.host
        handle = await harbour.boot(program=f"print('up', flush=True); {STAY}")
        follow = ("docker", "--host", harbour.engine.host, "logs", "--follow", handle.native)
        assert await first_line(*follow) == b"up\n"
        line.cut()
        await docker(harbour.engine, "kill", handle.native)
        agent, _, report = await harbour.pier.told()
        assert (agent, report.signal, report.stderr) == (handle.agent, 9, "up")


async def first_line(*command):
    """The first line that a command prints, which would go on."""
    running = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        return await asyncio.wait_for(running.stdout.readline(), 60)
    finally:
        with contextlib.suppress(ProcessLookupError):
            running.kill()
        await running.wait()


async def test_a_daemon_that_is_killed_and_restarted(harbour, engine, own_engine, monkeypatch):
    harbour.engine = Engine(own_engine.host)
    make_obedient(harbour.engine)
    harbour.host = own_engine.host
    handle = await harbour.boot()
    await asyncio.to_thread(own_engine.kill)
    monkeypatch.setattr(fleets, "PATIENCE", 0.5)
    with pytest.raises(CannotRun, match="may still run on"):
        await harbour.backend.terminate(handle)
    with pytest.raises(CannotRun, match="does not answer"):
        await harbour.backend.owned(harbour.owner)
    monkeypatch.undo()
    await asyncio.to_thread(own_engine.restart)
    agent, _, _ = await harbour.pier.told()  # a daemon that comes up ends what it finds
    assert agent == handle.agent
    await harbour.backend.terminate(handle)
    again = await harbour.boot()
    assert await harbour.left() == [again.native]
    await harbour.backend.terminate(again)
    assert await harbour.backend.owned(harbour.owner) == []
    harbour.engine = engine


# ── what cannot be booted ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_image_that_is_not_there(harbour):
    for pull in ("never", "missing"):
        phases = []
        with pytest.raises(BootFailed, match=r"docker pull 127\.0\.0\.1:1/none:1, or yonder image --tag") as failed:
            await harbour.boot(harbour.spec(image="127.0.0.1:1/none:1", pull=pull), phases=phases)
        assert failed.value.phase == "pulling"
        assert ("pulling" in dict(phases)) == (pull == "missing")
    assert harbour.pier.invited == []


async def test_an_image_of_another_version_or_of_root_is_refused_before_it_starts(harbour):
    for extra, said in (("LABEL dev.yonder.version=0.0.1", "belongs to yonder 0.0.1"), ("USER root", "run as root")):
        make_obedient(harbour.engine, tag="yonder-disobedient", extra=extra)
        with pytest.raises(BootFailed, match=said):
            await harbour.boot(harbour.spec(image="yonder-disobedient"))
    assert harbour.pier.invited == []


async def test_gpus_that_the_engine_cannot_give(harbour):
    wanted = harbour.spec(gpus=["0"], resources=Resources(gpu=["any:1"]))
    for _ in range(2):  # the device is free again after a boot that failed
        with pytest.raises(BootFailed, match="NVIDIA Container Toolkit") as failed:
            await harbour.boot(wanted)
        assert failed.value.phase == "starting"
    assert await harbour.left() == []
    assert len(harbour.pier.withdrawn) == 2


async def test_a_gpu_goes_to_one_executor_at_a_time(harbour, monkeypatch):
    creation = engines.Engine.create
    asked = []

    async def without_device(self, name, body):
        asked.append(body["HostConfig"].pop("DeviceRequests")[0]["DeviceIDs"])
        return await creation(self, name, body)

    monkeypatch.setattr(engines.Engine, "create", without_device)
    specs = [harbour.spec(gpus=["GPU-a", "GPU-b"], resources=Resources(gpu=["l40s"])) for _ in range(3)]
    first, second = await harbour.boot(specs[0]), await harbour.boot(specs[1])
    held = asyncio.Event()
    late = asyncio.create_task(
        harbour.backend.boot(specs[2], lambda phase, why: held.set() if why[:7] == "waiting" else 0)
    )
    await held.wait()
    await harbour.backend.terminate(second)
    third = await late
    assert asked == [["GPU-a"], ["GPU-b"], ["GPU-b"]]
    assert set(await harbour.left()) == {first.native, third.native}


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        ({"resources": Resources(cpus=4096.0)}, "ask for fewer"),
        ({"resources": Resources(memory=2**50)}, "ask for less"),
        ({"resources": Resources(memory=4096)}, "memory is less than any container needs"),
        ({"runtime": "no-such-runtime"}, "no such runtime"),
        ({"host": "unix:///no/such.sock"}, "does not answer"),
    ],
)
async def test_what_an_engine_has_not_got_is_said_and_leaves_nothing(harbour, wishes, said):
    with pytest.raises(BootFailed, match=said) as failed:
        await harbour.boot(harbour.spec(**wishes))
    assert failed.value.phase in ("creating", "starting")
    assert await harbour.left() == []


# ── pulling ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_pull_is_told_shared_and_outlives_a_boot_that_is_given_up(harbour):
    async with Registry({"dev.yonder.version": __version__}) as registry:
        wanted = harbour.spec(image=registry.name, pull="missing")
        try:
            first, far = await pulling(harbour, wanted)
            assert far == "of 4 MB"
            first.cancel()
            assert isinstance((await asyncio.gather(first, return_exceptions=True))[0], asyncio.CancelledError)
            joined = [await pulling(harbour, harbour.spec(image=registry.name, pull="missing")) for _ in range(2)]
            registry.released.set()
            for booting, _ in joined:
                with pytest.raises(BootFailed) as failed:  # there is no program in it
                    await booting
                assert failed.value.phase == "starting"
            assert registry.pulls == 1
        finally:
            with contextlib.suppress(subprocess.CalledProcessError):
                await docker(harbour.engine, "rmi", "--force", registry.name)
    assert await harbour.left() == []


async def pulling(harbour, spec):
    """Boot until it says how far the pull is; the boot, and what it said without the number."""
    said = asyncio.get_running_loop().create_future()

    def phase(name, detail):
        if name == "pulling" and " of " in detail and not said.done():
            said.set_result(detail.partition(" ")[2])

    booting = asyncio.create_task(harbour.backend.boot(spec, phase))
    return booting, await asyncio.wait_for(said, 60)


async def test_an_image_is_pulled_each_time_where_one_says_so_and_checked(harbour):
    async with Registry({"dev.yonder.version": "0.0.1"}) as registry:
        registry.released.set()
        try:
            for pull, asked in (("missing", 1), ("missing", 1), ("always", 2)):
                with pytest.raises(BootFailed, match=r"belongs to yonder 0\.0\.1"):
                    await harbour.boot(harbour.spec(image=registry.name, pull=pull))
                assert registry.pulls == asked
        finally:
            await docker(harbour.engine, "rmi", "--force", registry.name)


# ── boots that are cut short ──────────────────────────────────────────────────────────────────────────────────────────


async def test_a_boot_cancelled_after_any_number_of_turns_leaves_nothing(harbour):
    for turns in range(0, 60, 4):
        booting = asyncio.create_task(harbour.boot())
        for _ in range(turns):
            await asyncio.sleep(0.002)
        booting.cancel()
        await asyncio.gather(booting, return_exceptions=True)
        if not booting.cancelled():
            await harbour.backend.terminate(booting.result())
        assert await harbour.left() == []


async def test_a_lost_answer_of_create_leaves_nothing(harbour, tmp_path, monkeypatch):
    async with Gossip(harbour.engine.host, tmp_path / "line.sock") as line:
        harbour.host = line.host
        await harbour.backend.terminate(await harbour.boot())
        monkeypatch.setattr(engines, "ANSWER", 2.0)
        line.lose = b"/containers/create"
        with pytest.raises(BootFailed, match="no answer"):
            await harbour.boot()
        assert line.caught.is_set()
        assert await harbour.left() == []
        monkeypatch.undo()


async def test_what_is_created_after_the_boot_was_given_up_is_removed(harbour, tmp_path, monkeypatch):
    async with Gossip(harbour.engine.host, tmp_path / "line.sock") as line:
        harbour.host = line.host
        await harbour.backend.terminate(await harbour.boot())
        monkeypatch.setattr(engines, "ANSWER", 2.0)
        line.hold = b"/containers/create"
        wanted = harbour.spec()
        with pytest.raises(BootFailed, match="no answer"):
            await harbour.boot(wanted)
        line.released.set()
        marks = ("--filter", "event=create", "--filter", f"label=dev.yonder.executor={wanted.executor}")
        assert await first_line(
            "docker", "--host", harbour.engine.host, "events", "--since", "10m", *marks, "--format", "{{.ID}}"
        )
        await asyncio.wait_for(gone(harbour), 30)
        monkeypatch.undo()


async def test_a_container_that_an_earlier_hub_of_this_owner_left_makes_room(harbour):
    old = Harbour(harbour.engine, owner=harbour.owner)
    wanted = harbour.spec()
    left = await old.boot(wanted)
    await old.backend.close()
    handle = await harbour.boot(wanted)
    assert handle.native != left.native
    assert await harbour.left() == [handle.native]


async def test_a_fresh_backend_finds_what_an_earlier_hub_of_this_owner_left(harbour):
    old = Harbour(harbour.engine, owner=harbour.owner)
    left = await old.boot()
    await old.backend.close()
    async with asyncio.timeout(60):
        while await harbour.backend.owned(harbour.owner):  # found, or swept already
            await harbour.backend.terminate(left)
    assert await harbour.left() == []


async def test_a_name_that_somebody_else_has_is_left_alone(harbour):
    wanted = harbour.spec()
    name = f"yonder-{wanted.executor}"
    theirs = (await docker(harbour.engine, "create", "--name", name, harbour.engine.image)).strip()
    try:
        with pytest.raises(BootFailed, match="already in use"):
            await harbour.boot(wanted)
        assert theirs in await containers(harbour.engine, f"name={name}")
    finally:
        await docker(harbour.engine, "rm", theirs)


# ── what dead hubs left ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_first_use_of_an_engine_sweeps_what_has_no_hub(harbour, tmp_path, monkeypatch):
    dead, living, strange = (Harbour(harbour.engine) for _ in range(3))
    try:
        for one in (dead, living):
            await one.serve()
            await one.boot()
        with monkeypatch.context() as elsewhere:
            elsewhere.setenv("XDG_STATE_HOME", str(tmp_path / "another"))
            await strange.boot()  # of another installation, and its hub is not there: not ours to judge
        await dead.die()
        await harbour.boot()
        await harbour.logged("its hub was dead")
        assert (len(await dead.left()), len(await living.left()), len(await strange.left())) == (0, 1, 1)
    finally:
        for one in (dead, living, strange):
            await one.close()
