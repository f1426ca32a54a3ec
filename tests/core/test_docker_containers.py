"""From a pool's wishes to a container."""

from __future__ import annotations

import json

import pytest

from yonder.backends import containers, told
from yonder.backends.base import BootSpec
from yonder.backends.containers import Wanted
from yonder.backends.gpus import Gpu
from yonder.backends.told import Facts
from yonder.errors import BootFailed
from yonder.particulars import OPTIONS
from yonder.version import IMAGE, __version__
from yonder.wire import Place, PoolSpec, Resources

HERE = Facts("here", "28", "Debian", 8, 2**34, desktop=False, rootless=False)
BRIDGE = {"Driver": "bridge", "IPAM": {"Config": [{"Gateway": "fd00::1"}, {"Gateway": "172.17.0.1/16"}]}}


def body(pool=None, gpus=(), **options):
    pool = pool or PoolSpec(backend="docker", env={"HF_TOKEN": "hunter2"})
    spec = BootSpec(
        executor="abc-pool-1",
        owner="me",
        kind="pool",
        workers=("abc-pool-1.0",),
        place=Place(env={"AWS": "hunter3"}),
        pool=pool,
        preload=[],
    )
    return containers.creation(
        spec, Wanted(**options), agent="agent-1", installation="inst", hub="/hub.sock", image="sha256:1", gpus=gpus
    )


def test_a_container_has_few_rights_and_no_secrets():
    made = body()
    host = made["HostConfig"]
    assert (host["ReadonlyRootfs"], host["AutoRemove"], host["RestartPolicy"]["Name"]) == (True, True, "no")
    assert (host["CapDrop"], host["SecurityOpt"]) == (["ALL"], ["no-new-privileges"])
    assert host["PidsLimit"] == containers.PIDS
    assert set(host["Tmpfs"]) == {"/tmp", "/work", "/run/yonder"}
    assert "Privileged" not in host
    assert (made["OpenStdin"], made["StdinOnce"], made["Tty"]) == (True, True, False)
    assert made["Env"] == ["HOME=/work"]
    assert "hunter" not in json.dumps(made)


def test_labels_say_whose_it_is():
    assert body()["Labels"] == {
        told.OWNER: "me",
        told.EXECUTOR: "abc-pool-1",
        told.AGENT: "agent-1",
        told.INSTALLATION: "inst",
        told.HUB: "/hub.sock",
        told.VERSION: __version__,
    }


def test_resources_become_bounds():
    made = body(PoolSpec(resources=Resources(cpus=1.5, memory=10**9)))["HostConfig"]
    assert (made["NanoCpus"], made["Memory"], made["MemorySwap"], made["ShmSize"]) == (
        15 * 10**8,
        10**9,
        10**9,
        5 * 10**8,
    )
    assert "size=500000000" in made["Tmpfs"]["/tmp"]
    free = body()["HostConfig"]
    assert not {"NanoCpus", "Memory", "MemorySwap"} & set(free)
    assert free["ShmSize"] == containers.SHM
    assert "size" not in free["Tmpfs"]["/tmp"]


def test_options_are_heard():
    volumes = ["models:/models", "/data:/data:ro"]
    made = body(network="lab", shm_size="2GB", runtime="runsc", user="1000", volumes=volumes)
    host = made["HostConfig"]
    assert (host["NetworkMode"], host["ShmSize"], host["Runtime"], made["User"]) == ("lab", 2 * 10**9, "runsc", "1000")
    assert host["Binds"] == ["models:/models", "/data:/data:ro"]


def test_gpus_are_asked_for_by_name():
    made = body(gpus=[Gpu(0, "L40S", "GPU-a"), Gpu(1, "L40S", "GPU-b")])["HostConfig"]
    assert made["DeviceRequests"] == [{"Driver": "", "DeviceIDs": ["GPU-a", "GPU-b"], "Capabilities": [["gpu"]]}]
    assert "DeviceRequests" not in body()["HostConfig"]


def test_of_named_gpus_only_the_number_is_known():
    assert containers.gpu_wishes(["l40s", "h100:2"], []) == ["l40s", "h100:2"]
    assert containers.gpu_wishes(["l40s", "h100:2"], ["0", "1"]) == ["any:1", "any:2"]
    assert [gpu.uuid for gpu in containers.named_gpus(["GPU-a", "GPU-b"])] == ["GPU-a", "GPU-b"]


def test_every_option_is_read_and_no_other():
    assert set(Wanted.__struct_fields__) == set(OPTIONS["docker"])
    assert Wanted.of(PoolSpec(options={"gpus": ["0"], "pull": "never"})) == Wanted(gpus=["0"], pull="never")
    with pytest.raises(BootFailed, match="did you mean"):
        Wanted.of(PoolSpec(options={"netwrok": "lab"}))


def test_names():
    assert containers.name_of("abc-pool-1") == "yonder-abc-pool-1"
    assert containers.name_of("a/b c") == "yonder-a-b-c"
    assert containers.image_of(PoolSpec()) == IMAGE
    assert containers.image_of(PoolSpec(image="team/executor")) == "team/executor"


# ── images ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def image(version=__version__, user="yonder"):
    return {"Config": {"Labels": {told.VERSION: version} if version else None, "User": user}}


@pytest.mark.parametrize(
    ("inspected", "said"),
    [
        (image(), ""),
        (image(version=""), "is no executor of Yonder"),
        (image(version="0.0.1"), f"belongs to yonder 0.0.1, and this is yonder {__version__}"),
        (image(user=""), "would run as root"),
        (image(user="0:0"), "would run as root"),
        ({}, "is no executor of Yonder"),
    ],
)
def test_images_that_do_not_do(inspected, said):
    found = containers.image_problem("team/executor", inspected)
    assert (said in found and "team/executor" in found) if said else found == ""


def test_an_image_of_root_does_with_another_user():
    assert containers.image_problem("x", image(user="root"), user="1000") == ""


def test_a_missing_image_says_how_to_make_it():
    assert "yonder image" in containers.missing_image(IMAGE, "")
    sentence = containers.missing_image("team/executor", "no such host")
    assert "could not pull it: no such host" in sentence
    assert "docker pull team/executor" in sentence


# ── the way to the hub ────────────────────────────────────────────────────────────────────────────────────────────────


def meet(*, host="unix:///x", facts=HERE, network=BRIDGE, ours=True, **options):
    return containers.meeting_place(
        Wanted(**options),
        host=host,
        facts=facts,
        network=network,
        machine="here",
        ours=lambda address: ours,
        facing=lambda machine: f"facing {machine}",
    )


def facts(**other):
    return Facts(**{name: getattr(HERE, name) for name in Facts.__slots__} | other)


def test_the_gateway_of_an_engine_here():
    assert meet() == ("172.17.0.1", "")
    assert meet(reach="10.0.0.5") == ("172.17.0.1", "10.0.0.5")
    assert meet(host="tcp://127.0.0.1:2375") == ("172.17.0.1", "")
    six = {"Driver": "bridge", "IPAM": {"Config": [{"Gateway": "fd00::1"}, {"Subnet": "x"}]}}
    assert meet(network=six) == ("[fd00::1]", "")


def test_what_the_options_say_wins():
    assert meet(listen="10.0.0.5:7000", reach="gate:443", network={"Driver": "null"}) == ("10.0.0.5:7000", "gate:443")


def test_a_desktop_has_a_name_for_this_machine():
    assert meet(facts=facts(desktop=True, name="docker-desktop")) == ("127.0.0.1", "host.docker.internal")


def test_the_hosts_own_network():
    assert meet(network={"Driver": "host"}) == ("127.0.0.1", "")


def test_an_engine_elsewhere_is_faced():
    assert meet(host="tcp://engine:2376", facts=facts(name="engine")) == ("facing engine", "")
    assert meet(host="tcp://here:2376", network={"Driver": "overlay"}) == ("facing here", "")


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        ({"network": {"Driver": "null"}}, "network none"),
        ({"facts": facts(rootless=True)}, "rootless"),
        ({"facts": facts(name="another")}, "runs on another, and this is here"),
        ({"network": {"Driver": "macvlan"}}, "no gateway on this machine"),
        ({"ours": False}, "no gateway on this machine"),
    ],
)
def test_where_nobody_can_know_a_person_is_asked(wishes, said):
    with pytest.raises(BootFailed, match=said) as failed:
        meet(**wishes)
    assert failed.value.phase == "creating"
    if "none" not in said:
        assert '"listen"' in str(failed.value)


@pytest.mark.parametrize(
    ("machine", "options", "ok"), [("here", {}, True), ("there", {}, False), ("there", {"gpus": ["0"]}, True)]
)
def test_gpus_that_cannot_be_known(machine, options, ok):
    pool = PoolSpec(resources=Resources(gpu=["l40s"]))
    (found,) = containers.gpu_findings(pool, Wanted(**options), facts(name=machine), "here")
    assert found.ok is ok
    assert containers.gpu_findings(PoolSpec(), Wanted(), HERE, "here") == []
