"""What a boot waits for, in words."""

import pytest

from yonder.hub.executor import progress


@pytest.mark.parametrize(
    ("phase", "detail", "said"),
    [
        ("pulling", "12 of 80 MB", "its image is being pulled (12 of 80 MB)"),
        ("starting", "yonder-1 dials 10.0.0.5:7000", "yonder-1 dials 10.0.0.5:7000 and has not come in yet"),
        ("starting", "yonder-1 dials 10.0.0.5:7000", "Networks"),
        ("booting", "", "it has come in"),
    ],
)
def test_what_takes_long_is_said(phase, detail, said):
    assert said in progress(phase, detail)


def test_what_takes_moments_is_not():
    assert progress("creating", "starting /usr/bin/python3") == ""
