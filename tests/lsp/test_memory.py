"""What is remembered is bounded, in number and in bytes."""

from yonder import wire
from yonder_lsp.memory import Memory, believable, weight


def answer(members: int, name: str = "n") -> wire.Answer:
    return wire.Answer(found=True, members=[wire.Member(f"{name}{n}", "f", 0) for n in range(members)])


def test_what_was_put_last_is_kept():
    memory: Memory[int] = Memory(entries=2)
    for key in range(3):
        memory.put(key, answer(1))
    assert [memory.get(key) is not None for key in range(3)] == [False, True, True]


def test_what_was_wanted_last_is_kept():
    memory: Memory[int] = Memory(entries=2)
    memory.put(1, answer(1))
    memory.put(2, answer(1))
    memory.get(1)
    memory.put(3, answer(1))
    assert [memory.get(key) is not None for key in (1, 2, 3)] == [True, False, True]


def test_bytes_are_bounded_whatever_is_put():
    most = 20 * weight(answer(100))
    memory: Memory[int] = Memory(entries=10_000, most=most)
    for key in range(300):
        memory.put(key, answer(key))
        assert memory.bytes <= most
    assert memory.bytes == sum(weight(memory.get(key)) for key in range(300) if memory.get(key) is not None)
    memory.put(0, answer(100_000))  # by itself too large
    assert (len(memory), memory.bytes) == (0, 0)


def test_an_answer_in_the_place_of_another_is_counted_once():
    memory: Memory[int] = Memory()
    for _ in range(5):
        memory.put(1, answer(10))
    assert memory.bytes == weight(answer(10))
    memory.clear()
    assert (len(memory), memory.bytes) == (0, 0)


def test_every_list_and_text_weighs():
    plain = weight(wire.Answer(found=True))
    for fuller in (
        wire.Answer(found=True, doc="x" * 1000),
        wire.Answer(found=True, facts=[wire.Fact("a", "b")] * 10),
        wire.Answer(found=True, parameters=[wire.Parameter("a", "a")] * 10),
        wire.Answer(found=True, rows=[wire.Row("a", "v", "int")] * 10),
        wire.Answer(found=True, text="x" * 1000),
        wire.Answer(found=True, signatures=[wire.Signature("f()")] * 10),
        wire.Answer(found=True, gone=["x" * 100] * 10),
    ):
        assert weight(fuller) >= plain + 1000


def test_what_no_look_could_weigh_is_not_believed():
    honest = wire.Answer(found=True, members=[wire.Member("m" * 50, "m", 1, "detail" * 10)] * 5000)
    assert believable(honest) is honest
    refused = believable(wire.Answer(found=True, rows=[wire.Row("r" * 1000, "v", "int")] * 10_000))
    assert (refused.found, refused.rows) == (False, [])
    assert refused.why
