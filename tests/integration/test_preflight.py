"""Pre-flight and its warning, through a real pool."""

import warnings

import pytest

import yonder
from yonder.errors import CaptureWarning


def test_a_call_is_looked_at_and_not_made(capfd):
    data = bytes(300_000)

    def uses():
        print("it ran")
        return data

    with yonder.Pool(max=1, capture_warning=200_000) as pool:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = pool.preflight(uses)
        assert "its variable 'data' (bytes, 300 kB)" in str(found)
        (finding,) = found
        assert finding.level == "warning"
        assert pool.status().executors == 0
        with pytest.warns(CaptureWarning, match="takes along 30. kB") as said:
            futures = [pool.submit(uses) for _ in range(3)]
        assert [future.result(60) == data for future in futures] == [True] * 3
    assert len(said) == 1
    assert said[0].filename == __file__
    assert capfd.readouterr().out.count("it ran") == 3


def test_a_wrong_limit_is_refused():
    with pytest.raises(yonder.UsageError, match="capture_warning=-1"):
        yonder.Pool(capture_warning=-1)
    with pytest.raises(yonder.UsageError, match="blob_bytes=-1"):
        yonder.Pool(blob_bytes=-1)
    with pytest.raises(yonder.UsageError, match="did you mean 'lock'"):
        yonder.Pool(dependencies="locked")
