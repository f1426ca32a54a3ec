"""Merging and ordering completion lists; the JSON that LSP gets."""

from yonder import wire
from yonder_lsp import completion as c
from yonder_lsp import subject
from yonder_lsp.completion import Entry, Named

RANGE = {"start": {"line": 0, "character": 3}, "end": {"line": 0, "character": 5}}


def labels(entries: list[Entry]) -> list[str]:
    return [entry.label for entry in entries]


def test_the_order_is_parameters_keys_data_class_far_globals_builtins_private_dunder() -> None:
    own = c.members(
        [
            wire.Member("__init__", "m", 1),
            wire.Member("_hidden", "f", 0),
            wire.Member("far", "m", 2),
            wire.Member("method", "m", 1),
            wire.Member("weight", "f", 0),
        ]
    )
    names = c.members([wire.Member("print", "m", 2), wire.Member("model", "v", 0)], globals_=True)
    keys = c.keys([wire.Member("col", "k", 0)], '"', close=True)
    parameters = c.parameters([wire.Parameter("lr", "lr=0.1")], set())
    assert labels(c.merge(own, names, keys, parameters)) == [
        "lr=", "col", "weight", "method", "far", "model", "print", "_hidden", "__init__",
    ]  # fmt: skip


def test_the_same_sources_give_the_same_order() -> None:
    one = [Entry(name, 5, c.CLASS) for name in ("b", "a", "B", "A")]
    assert labels(c.merge(one)) == labels(c.merge(list(reversed(one)))) == ["A", "a", "B", "b"]


def test_parameters_and_keys_stay_as_the_call_and_the_object_have_them() -> None:
    parameters = c.parameters([wire.Parameter("rate", "rate"), wire.Parameter("epochs", "epochs=3")], set())
    keys = c.keys([wire.Member("people", "k", 0), wire.Member("city", "k", 0)], '"', close=True)
    assert labels(c.merge(keys, parameters)) == ["rate=", "epochs=", "people", "city"]


def test_the_first_source_keeps_a_label_and_another_callability_is_another_item() -> None:
    live = [Entry("fit", 2, c.CLASS, detail="live")]
    static = c.static([Named("fit", "function"), Named("fit", "instance"), Named("score", "function")], c.CLASS)
    merged = c.merge(live, static)
    assert [(entry.label, entry.detail) for entry in merged if entry.label == "fit"] == [("fit", "live"), ("fit", "")]
    assert "score" in labels(merged)


def test_used_and_positional_only_parameters_are_not_offered() -> None:
    found = [wire.Parameter("a", "a", keyword=False), wire.Parameter("b", "b"), wire.Parameter("c", "c=1")]
    assert labels(c.parameters(found, {"c"})) == ["b="]


def test_keys_are_quoted_and_closed_as_the_text_needs() -> None:
    column = [wire.Member('sepal "x"', "k", 0)]
    assert c.keys(column, "", close=True)[0].insert == '"sepal \\"x\\""]'
    assert c.keys(column, "", close=False)[0].insert == '"sepal \\"x\\""'
    assert c.keys(column, '"', close=True)[0].insert == 'sepal \\"x\\""]'
    assert c.keys(column, "'", close=False)[0].insert == 'sepal "x"'


def test_a_list_sends_range_and_data_once() -> None:
    about = subject.Subject("file:///a.py", "main", (wire.Step("name", "df"),), "key")
    entries = c.keys([wire.Member("col", "k", 0, "int64")], "", close=True)
    body = c.listed(entries, range_=RANGE, data=subject.data_of(about), incomplete=True)
    assert body["isIncomplete"] is True
    assert body["itemDefaults"]["editRange"] == RANGE
    (item,) = body["items"]
    assert item["textEditText"] == '"col"]'
    assert item["filterText"] == '"col"]'
    assert item["detail"] == "int64"
    assert subject.subject_of(body["itemDefaults"]["data"]) == about


def test_an_editor_without_defaults_gets_them_in_every_item() -> None:
    body = c.listed([Entry("a", 5, c.CLASS)], range_=RANGE, data={"x": 1}, incomplete=False, defaults=False)
    assert body["items"][0]["textEdit"] == {"range": RANGE, "newText": "a"}
    assert body["items"][0]["data"] == {"x": 1}
    assert "itemDefaults" not in body


def test_filtering_inside_a_quote_is_by_the_key() -> None:
    body = c.listed(
        c.keys([wire.Member("col", "k", 0)], '"', close=True), range_=RANGE, data={}, incomplete=False, prefix='"'
    )
    assert body["items"][0]["filterText"] == "col"
    assert body["items"][0]["textEditText"] == 'col"]'


def test_sort_keys_keep_the_order_of_the_list() -> None:
    entries = c.merge([Entry(f"name{number}", 5, number % 9) for number in range(300)])
    items = c.listed(entries, range_=RANGE, data={}, incomplete=False)["items"]
    assert [item["sortText"] for item in items] == sorted(item["sortText"] for item in items)


def test_foreign_data_is_no_subject() -> None:
    assert subject.subject_of(None) is None
    assert subject.subject_of({"uri": "x"}) is None
    assert subject.subject_of([1]) is None


def test_names_of_python_itself() -> None:
    entries = {entry.label: entry for entry in c.python_names()}
    assert entries["print"].bucket == c.BUILTIN
    assert entries["lambda"].kind == 14
    assert entries["ValueError"].kind == 7
    assert len(entries) == len(c.python_names())


def test_what_the_session_has_under_a_builtins_name_is_told_once() -> None:
    labels = {entry.label for entry in c.python_names({"exit", "None"})}
    assert not {"exit", "None"} & labels
    assert {"print", "while"} <= labels
