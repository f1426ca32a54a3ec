"""What tests of the core share."""

import pytest
from tests.core.paper_hub import on_paper


@pytest.fixture
def hub(monkeypatch):
    """A hub of paper whose calls run at once, in this process."""
    with on_paper(monkeypatch) as hub:
        yield hub


@pytest.fixture
def slow(monkeypatch):
    """A hub of paper whose calls wait for the test."""
    with on_paper(monkeypatch, auto=False) as hub:
        yield hub
