"""A pool sized by an object of the program's own."""

import pytest
from tests.integration.programs import program

import yonder
from yonder import options
from yonder.core.scaling import Bounds, Demand, Pack
from yonder.hub.lent import Lent


class Broken:
    spreads = True

    def count(self, demand, bounds):
        raise LookupError("no idea")

    def why(self, demand, bounds):
        return "because"


def test_a_strategy_that_fails_is_said_once_and_the_usual_one_answers():
    said = []
    lent = Lent(said.append)
    careful = lent.find(lent.add(Broken()))
    demand, bounds = Demand(3, 0, 0, 0), Bounds(0, 8, 1)
    assert [careful.count(demand, bounds) for _ in range(2)] == [Pack().count(demand, bounds)] * 2
    assert careful.why(demand, bounds) == "because"
    assert careful.spreads
    assert len(said) == 1
    assert "Broken" in said[0]
    assert lent.find("pack") is None


@pytest.mark.parametrize("strategy", ["packed", 3, object()])
def test_what_is_no_strategy_is_refused(strategy):
    with pytest.raises(yonder.UsageError, match="strategy"):
        options.pool_fields({"strategy": strategy})


def test_a_program_may_bring_its_own(tmp_path):
    out = program(
        tmp_path,
        """
        import yonder

        class AllAtOnce:
            spreads = True
            def count(self, demand, bounds):
                return bounds.most if demand.waiting or demand.running else bounds.least
            def why(self, demand, bounds):
                return "everything or nothing"

        with yonder.Pool(max=3, strategy=AllAtOnce()) as pool:
            events = pool.events()
            print(pool.call(abs, -1))
            booted = set()
            for event in events:
                if event.kind == "ready":
                    booted.add(event.executor)
                if len(booted) == 3:
                    break
            print(len(booted), pool.explain())
        """,
    )
    assert out.splitlines() == ["1", "3 everything or nothing"]


def test_in_a_worker_only_a_name_will_do(tmp_path):
    out = program(
        tmp_path,
        """
        import yonder
        from yonder.core.scaling import Pack

        def inner():
            try:
                yonder.Pool(strategy=Pack())
            except yonder.UsageError as error:
                return str(error)

        with yonder.Pool(max=1) as pool:
            print(pool.call(inner))
        """,
    )
    assert "name one of pack, spread" in out
