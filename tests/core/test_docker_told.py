"""What an engine says, in our words: facts, pulls, refusals, events, ends."""

from __future__ import annotations

import pytest

from yonder import doctor
from yonder.backends import containers, told
from yonder.backends.told import Facts, Happening, Pulling, Seen
from yonder.wire import ExitReport, Resources

INFO = {
    "Name": "engine-1",
    "ServerVersion": "28.0.1",
    "OperatingSystem": "Debian GNU/Linux 12",
    "NCPU": 8,
    "MemTotal": 16 * 2**30,
    "SecurityOptions": ["name=seccomp,profile=default"],
    "MemoryLimit": True,
    "CpuCfsQuota": True,
    "PidsLimit": True,
    "SystemTime": "2026-11-21T16:33:39.339166897+01:00",
}


def test_facts_of_an_engine():
    facts = Facts.read(INFO)
    assert (facts.name, facts.version, facts.cpus, facts.memory) == ("engine-1", "28.0.1", 8, 16 * 2**30)
    assert (facts.desktop, facts.rootless, facts.unlimited) == (False, False, ())
    assert facts.runs_on("engine-1")
    assert not facts.runs_on("another")


def test_facts_of_an_engine_without_cgroups_and_of_a_desktop():
    rootless = Facts.read(INFO | {"SecurityOptions": ["name=rootless"], "MemoryLimit": False, "PidsLimit": False})
    assert rootless.rootless
    assert rootless.unlimited == ("memory", "processes")
    desktop = Facts.read(INFO | {"OperatingSystem": "Docker Desktop"})
    assert desktop.desktop
    assert not desktop.runs_on("engine-1")
    assert Facts.read({}).name == ""


def test_the_engines_own_time():
    assert told.moment(INFO) == pytest.approx(1795275219.339167, abs=1e-5)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (Resources(cpus=8.0, memory=16 * 2**30), ""),
        (Resources(cpus=9.0), "cpus=9, and the engine's machine engine-1 has 8"),
        (Resources(memory=17 * 2**30), "memory=17.0 GiB, and the engine's machine engine-1 has 16.0 GiB"),
    ],
)
def test_what_the_engines_machine_has_not_got(asked, said):
    found = told.resource_problem(asked, Facts.read(INFO))
    assert (said in found) if said else found == ""


def test_a_pull_is_told_over_all_layers():
    pull = Pulling()
    assert pull.heard({"status": "Pulling from team/executor", "id": "1.2"}) == ""
    assert pull.heard(_line("a", 1_000_000, 50_000_000)) == "1 of 50 MB"
    assert pull.heard(_line("b", 0, 29_500_000)) == "1 of 80 MB"
    assert pull.heard(_line("a", 11_500_000, 50_000_000)) == "11 of 80 MB"
    assert pull.heard({"id": "b", "status": "Download complete", "progressDetail": {}}) == "41 of 80 MB"
    assert (
        pull.heard({"id": "a", "status": "Extracting", "progressDetail": {"current": 1, "total": 9}}) == "41 of 80 MB"
    )
    assert pull.heard({"id": "a", "status": "Pull complete"}) == "79 of 80 MB"


def test_a_pull_is_told_in_few_steps():
    pull = Pulling()
    said = {pull.heard(_line("a", done, 5_000_000_000)) for done in range(0, 5_000_000_000, 1_000_000)}
    assert len(said) == told.STEPS
    assert pull.heard({"id": "a", "status": "Pull complete"}) == "5000 of 5000 MB"


def _line(layer, current, total):
    return {"id": layer, "status": "Downloading", "progressDetail": {"current": current, "total": total}}


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ('could not select device driver "" with capabilities: [[gpu]]', "NVIDIA Container Toolkit"),
        ("Unknown runtime specified nvidia", "no such runtime"),
        ("unknown or invalid runtime name: runsc", "no such runtime"),
        ("exec /usr/bin/python3: exec format error", "other processors"),
        ("write /var/lib/x: no space left on device", "disk of the engine's machine is full"),
        ("network lab not found", "no such network"),
        ("Minimum memory limit allowed is 6MB", "memory is less than any container needs"),
        ('exec: "python3": executable file not found in $PATH: unknown', "no python3"),
        ("the moon is in\n the  wrong house", "the engine refused: the moon is in the wrong house"),
    ],
)
def test_refusals_become_sentences_and_keep_the_engines_words(said, sentence):
    found = told.refusal(said)
    assert sentence in found
    assert " ".join(said.split()) in found


@pytest.mark.parametrize(
    ("code", "report"),
    [
        (0, ExitReport(code=0)),
        (1, ExitReport(code=1)),
        (128, ExitReport(code=128)),
        (137, ExitReport(signal=9)),
        (143, ExitReport(signal=15)),
        (255, ExitReport(code=255)),
        (-1, ExitReport()),
    ],
)
def test_exit_codes_become_reports(code, report):
    assert told.report(code) == report


def test_only_what_was_killed_ran_out_of_memory():
    killed, left = told.report(137), told.report(1)
    assert told.completed(killed, starved=True, words="").out_of_memory
    assert not told.completed(killed, starved=False, words="").out_of_memory
    assert not told.completed(left, starved=True, words="").out_of_memory
    assert told.completed(
        told.state_report({"ExitCode": 137, "OOMKilled": True}), starved=False, words=""
    ).out_of_memory


def test_an_end_has_its_last_words():
    report = told.completed(told.report(1), starved=False, words="x" * 5000 + "Traceback\nboom\n\n")
    assert len(report.stderr) == told.WORDS
    assert told.ending("yonder-x", report).startswith("the container yonder-x ended with exit code 1:\nx")
    assert told.ending("yonder-x", report).endswith("boom")
    assert told.ending("yonder-x", told.report(137)) == "the container yonder-x was killed by signal 9 (SIGKILL)"
    assert "how is not known" in told.ending("yonder-x", told.state_report({}))


def test_events():
    marks = {told.EXECUTOR: "x-1", "exitCode": "137", "name": "yonder-x-1"}
    event = {"Action": "die", "Actor": {"ID": "ab", "Attributes": marks}, "timeNano": 5}
    assert Happening.read(event) == Happening("die", "ab", "x-1", 137)
    assert Happening.read({"status": "oom", "id": "ab", "Actor": {"Attributes": {told.EXECUTOR: "x-1"}}}) == Happening(
        "oom", "ab", "x-1"
    )
    assert Happening.read({"Action": "exec_create: sh", "Actor": {"ID": "ab", "Attributes": marks}}) is None
    assert Happening.read({"Action": "die", "Actor": {"ID": "ab", "Attributes": {"name": "other"}}}) is None
    assert Happening.read({}) is None


def test_what_an_engine_lists():
    marks = {told.OWNER: "me", told.EXECUTOR: "x-1", told.AGENT: "agent-1", told.HUB: "/run/hub.sock"}
    listed = {"Id": "ab", "Names": ["/yonder-x-1"], "Labels": marks, "State": "running", "Image": "team/executor"}
    seen = Seen.read(listed)
    assert (seen.handle.owner, seen.handle.executor, seen.handle.native, seen.handle.agent) == (
        "me",
        "x-1",
        "ab",
        "agent-1",
    )
    assert (seen.name, seen.hub, seen.state, seen.image) == ("yonder-x-1", "/run/hub.sock", "running", "team/executor")
    assert Seen.read({"Id": "ab", "Labels": None, "Names": []}).handle.owner == ""


def test_filters_and_ids():
    assert told.marked("here") == {"label": [f"{told.INSTALLATION}=here"]}
    assert told.marked("here", "me")["label"] == [f"{told.INSTALLATION}=here", f"{told.OWNER}=me"]
    assert told.is_native("ab" * 32)
    assert not any(told.is_native(name) for name in ("", "0", "ab" * 31, "ab" * 32 + "\n", "yonder-x"))


def test_findings():
    assert [finding.ok for finding in told.engine_findings(Facts.read(INFO), "unix:///x")] == [True]
    poor = told.engine_findings(Facts.read(INFO | {"MemoryLimit": False}), "unix:///x")
    assert [finding.ok for finding in poor] == [True, False]
    assert "memory" in poor[1].sentence


def test_a_finding_says_which_pools_it_is_about():
    finding = told.finding("image", "x")
    assert doctor.named(finding, ["a"]).name == "docker image (pool a)"
    assert doctor.named(finding, ["a", "b"]).name == "docker image (pools a, b)"


@pytest.mark.parametrize(
    ("variables", "problem"),
    [(["PYTHON_VERSION=3.11.9"], ""), ([], ""), (["PYTHON_VERSION=3.12.1"], "has Python 3.12")],
)
def test_an_image_with_another_python_is_told_of(variables, problem):
    said = containers.python_problem("lab/x", {"Config": {"Env": ["PATH=/bin", *variables]}}, "3.11")
    assert (problem in said) if problem else said == ""
