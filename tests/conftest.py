"""What all tests share: the mark of those with containers, and the engine that they run on."""

import os
import shutil
import tempfile
from pathlib import Path

import hypothesis  # noqa: F401 - at the very end its plugin would import, and so compile, it; Python 3.11.2 may crash then
import pytest

CONTAINERS = Path(__file__).parent / "docker"
STATE = pytest.StashKey[str]()


def pytest_configure(config):
    """Receipts and the like of what tests start are not this user's."""
    config.stash[STATE] = os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="yonder-state-")


def pytest_unconfigure(config):
    shutil.rmtree(config.stash[STATE], ignore_errors=True)


def pytest_collection_modifyitems(items):
    """Everything in tests/docker, and whatever asks for an engine, is a test with containers."""
    for item in items:
        if item.path.is_relative_to(CONTAINERS) or {"engine", "own_engine"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.docker)


@pytest.fixture(scope="session")
def engine():
    """The Docker engine that answers, else one of our own: `host`, `image`, `examples_image()`, `docker(*words)`."""
    from scripts.engine import get_engine
    from scripts.private_engine import NoEngineError

    try:
        engine = get_engine()
        engine.image  # noqa: B018 - made here, and not within somebody's deadline
    except NoEngineError as error:
        _without(str(error))
    yield engine
    assert engine.close() == [], "the engine left processes behind"


@pytest.fixture
def own_engine():
    """A private engine for this test alone, to be killed and restarted (`kill`, `restart`); its image is ready as
    `scripts.engine.Engine(own_engine.host).image`."""
    from scripts.private_engine import NoEngineError, start_private

    try:
        private = start_private()
    except NoEngineError as error:
        _without(str(error))
    yield private
    private.stop()


def _without(reason):
    from scripts.engine import required

    if required():
        pytest.fail(f"YONDER_DOCKER=require, but no engine can be had: {reason}", pytrace=False)
    pytest.skip(reason)
