"""The public names, pinned: adding one is a decision, losing one breaks somebody."""

import yonder


def test_the_public_names():
    assert set(yonder.__all__) == {
        "Actor",
        "BootFailed",
        "CallTimeout",
        "Cancelled",
        "CannotRun",
        "ExecutorLost",
        "Future",
        "Pool",
        "PoolClosed",
        "PoolDeadlock",
        "QueueFull",
        "SerializationError",
        "Stream",
        "UsageError",
        "VersionMismatch",
        "YonderError",
        "__version__",
        "display",
        "limit",
        "log",
        "progress",
    }
    assert all(hasattr(yonder, name) for name in yonder.__all__)


def test_the_verbs_of_a_pool():
    verbs = {name for name in dir(yonder.Pool) if not name.startswith("_")}
    assert verbs == {
        "acall",
        "aclose",
        "astream",
        "broadcast",
        "call",
        "close",
        "events",
        "explain",
        "map",
        "max",
        "name",
        "place",
        "remote",
        "resize",
        "shutdown",
        "spawn",
        "status",
        "stream",
        "submit",
        "with_options",
    }
