"""Callables without calling: signature, documentation and place, from code objects and stored texts.

Annotations are read as they are stored and written out by ourselves; from Python 3.14 on a function may have none until
its `__annotate__` runs, and then none are shown.

What belongs here: functions, methods, classes as callables. What this file must not know: queries, paths, libraries.
"""

from __future__ import annotations

import ast
import functools
import inspect
import re
import sys
import types
import typing
from dataclasses import dataclass
from typing import Any, Final

from yonder.agent import peek_models
from yonder.agent import peek_raw as raw
from yonder.agent.peek_text import HIDDEN, Writer, cut, secret_name
from yonder.wire import Parameter

ABSENT = raw.ABSENT
_FOLLOW = 10
_OVERLOADS = 12
_MADE = "dataclasses._HAS_DEFAULT_FACTORY_CLASS"  # stands for a default that is made at each call
_VARARGS, _VARKEYWORDS = 0x04, 0x08
_DOC_CHARACTERS = 6000
_BAD_ESCAPE: Final = re.compile(r"""\\[^nrt'"\\]""")
_TEXT_SIGNED: Final = frozenset(
    id(kind) for kind in (types.BuiltinFunctionType, types.MethodDescriptorType, types.WrapperDescriptorType)
)
_TYPING_ALIASES: Final = frozenset(
    id(kind)
    for kind in (
        type(typing.Optional[int]),  # noqa: UP045 - its class is wanted
        type(typing.List[int]),  # noqa: UP006
        type(typing.Callable[[int], int]),
        type(typing.Literal[1]),
        type(typing.Annotated[int, 0]),
    )
)


@dataclass(frozen=True, slots=True)
class Signature:
    """`text` is what stands between the parentheses and after the arrow: `(x, *, scale=1.0) -> Tensor`."""

    text: str
    parameters: tuple[Parameter, ...]


def unwrap(value: Any) -> tuple[Any, int, frozenset[str]]:
    """The function behind methods, partials, decorators and classes.

    Answers with it, the number of leading parameters already given, and the keywords already given.
    """
    skip, given = 0, frozenset[str]()
    for _ in range(_FOLLOW):
        kind = type(value)
        if kind is types.MethodType:
            value, skip = value.__func__, skip + 1
        elif kind is staticmethod or kind is classmethod:
            value, skip = value.__func__, skip + (kind is classmethod)
        elif kind is functools.partial:
            keywords = [name for name, _ in raw.items(value.keywords) if type(name) is str]
            value, skip, given = value.func, skip + len(value.args), given | frozenset(keywords)
        elif kind is property:
            value, skip = value.fget, skip + 1
        elif kind is types.FunctionType:
            wrapped = raw.find(raw.instance_dict(value), "__wrapped__")
            if type(wrapped) is not types.FunctionType:
                break
            value = wrapped
        elif raw.is_class(value):
            value, skip = _constructor(value), skip + 1
        else:
            wrapped = raw.find(raw.instance_dict(value), "__wrapped__")  # functools.lru_cache, numpy's dispatchers
            if type(wrapped) is not types.FunctionType:
                break
            value = wrapped
    return value, skip, given


def _constructor(kind: type) -> Any:
    """What a class is called with: `__init__`, or `__new__` where only that is its own. A metaclass is not followed."""
    made, where = raw.class_attribute(kind, "__init__")
    if type(made) is types.FunctionType:
        return made
    new, _ = raw.class_attribute(kind, "__new__")
    if type(new) is staticmethod and type(new.__func__) is types.FunctionType:
        return new.__func__
    return ABSENT if where is object else made


def call_target(value: Any) -> tuple[Any, int, frozenset[str]]:
    """Like `unwrap`, and for an instance its class's `__call__` (`forward` for networks)."""
    target, skip, given = unwrap(value)
    kind = type(target)
    if kind is types.FunctionType or id(kind) in _TEXT_SIGNED or target is ABSENT or raw.is_class(target):
        return target, skip, given
    for name in ("forward", "__call__"):
        method = raw.class_attribute(kind, name)[0]
        if type(method) is types.FunctionType and (name != "forward" or _is_network(kind)):
            return method, skip + 1, given
    return ABSENT, skip, given


def _is_network(kind: type) -> bool:
    base = raw.known("torch.nn.modules.module", "Module")
    return base is not ABSENT and raw.derives(kind, base)


def signature(value: Any, writer: Writer, *, bound: bool = False) -> Signature | None:
    """The signature of anything callable, or None. `bound`: `value` was reached through an instance."""
    model = peek_models.fields(value) if raw.is_class(value) else None
    if model is not None:
        return _of_fields(model, writer)
    target, skip, given = call_target(value)
    skip += bound
    if type(target) is types.FunctionType:
        return _of_function(target, skip, given, writer)
    if id(type(target)) in _TEXT_SIGNED:
        return _of_text(raw.exact(target.__text_signature__), skip) or _of_doc(value)
    return _of_doc(value) if raw.is_class(value) else None


def _of_fields(model: list[peek_models.Field], writer: Writer) -> Signature:
    parameters = []
    for name, hint, default, made in model:
        label = name if hint is ABSENT else f"{name}: {annotation(hint)}"
        if made or default is not ABSENT:
            hidden = secret_name(name) and type(default) is str
            label += f" = {'…' if made else HIDDEN if hidden else cut(writer.value(default, 1), 60)}"
        parameters.append(Parameter(name, label))
    return Signature(f"(*, {', '.join(one.label for one in parameters)})" if parameters else "()", tuple(parameters))


def overloads(value: Any, writer: Writer, *, bound: bool = False) -> list[Signature]:
    """The `typing.overload` variants of a callable, as typing has registered them. [] when it has none."""
    target, skip, given = call_target(value)
    if type(target) is not types.FunctionType:
        return []
    found = raw.known("typing", "_overload_registry")
    for name in (raw.exact(target.__module__), raw.exact(target.__qualname__)):
        found = raw.find(found, name) if raw.is_dict(found) else ABSENT
    variants = [one for _, one in raw.items(found)] if raw.is_dict(found) else []
    functions = [one for one in variants if type(one) is types.FunctionType]
    return [_of_function(one, skip + bound, given, writer) for one in functions[:_OVERLOADS]]


def _of_function(function: Any, skip: int, given: frozenset[str], writer: Writer) -> Signature:
    code = function.__code__
    names = [raw.exact(name) for name in code.co_varnames]
    count, only = code.co_argcount, code.co_posonlyargcount
    annotations, defaults = stored_annotations(function), _defaults(function, count)
    parts: list[str] = []
    parameters: list[Parameter] = []

    def add(index: int, star: str = "") -> None:
        name = names[index]
        hint = raw.find(annotations, name)
        label = f"{star}{name}" + ("" if hint is ABSENT else f": {annotation(hint)}")
        default = raw.find(defaults, name)
        if default is not ABSENT:
            hidden, made = secret_name(name) and type(default) is str, raw.type_name(type(default)) == _MADE
            written = "…" if made else HIDDEN if hidden else cut(writer.value(default, 1), 60)
            label += f"={written}" if hint is ABSENT else f" = {written}"
        parts.append(label)
        parameters.append(Parameter(name, label, keyword=not star and index >= only))

    for index in range(count):
        if index >= skip and names[index] not in given:
            add(index)
        if index + 1 == only and skip < only:
            parts.append("/")
    last = count + code.co_kwonlyargcount
    star_at = last
    if code.co_flags & _VARARGS:
        add(star_at, "*")
        star_at += 1
    elif last > count:
        parts.append("*")
    for index in range(count, last):
        if names[index] not in given:
            add(index)
    if code.co_flags & _VARKEYWORDS:
        add(star_at, "**")
    returned = raw.find(annotations, "return")
    arrow = "" if returned is ABSENT else f" -> {annotation(returned)}"
    return Signature(f"({', '.join(parts)}){arrow}", tuple(parameters))


def _defaults(function: Any, count: int) -> dict[str, object]:
    names = function.__code__.co_varnames
    positional = function.__defaults__
    values = tuple(tuple.__iter__(positional)) if raw.is_tuple(positional) else ()
    found = dict(zip(map(raw.exact, names[count - len(values) : count]), values, strict=False))
    keyword = function.__kwdefaults__
    if raw.is_dict(keyword):
        found |= {name: value for name, value in raw.items(keyword) if type(name) is str}
    return found


def _of_text(text: str, skip: int) -> Signature | None:
    """From a C function's text signature, `($self, a, b=1, /)`."""
    if not text.startswith("(") or _BAD_ESCAPE.search(text):  # the parser would warn, and warnings can be hooked
        return None
    try:
        tree = ast.parse(f"def f{text.replace('$', '')}: ...")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None
    function = tree.body[0]
    if not isinstance(function, ast.FunctionDef):
        return None
    given = function.args
    parameters = [
        *(Parameter(a.arg, _label(a, d), keyword=False) for a, d in _paired(given)[: len(given.posonlyargs)]),
        *(Parameter(a.arg, _label(a, d)) for a, d in _paired(given)[len(given.posonlyargs) :]),
    ]
    dropped = {p.name for p in parameters[: max(skip, 1 if "$" in text else 0)]}
    if given.vararg:
        parameters.append(Parameter(given.vararg.arg, f"*{given.vararg.arg}", keyword=False))
    parameters += [Parameter(a.arg, _label(a, d)) for a, d in zip(given.kwonlyargs, given.kw_defaults, strict=True)]
    if given.kwarg:
        parameters.append(Parameter(given.kwarg.arg, f"**{given.kwarg.arg}", keyword=False))
    kept = tuple(parameter for parameter in parameters if parameter.name not in dropped)
    labels = [parameter.label for parameter in kept]
    if positional := sum(one.arg not in dropped for one in given.posonlyargs):
        labels.insert(positional, "/")
    if given.kwonlyargs and not given.vararg:
        labels.insert(len(labels) - len(given.kwonlyargs) - (given.kwarg is not None), "*")
    return Signature(f"({', '.join(labels)})", kept)


def _paired(given: ast.arguments) -> list[tuple[ast.arg, ast.expr | None]]:
    names = [*given.posonlyargs, *given.args]
    missing: list[ast.expr | None] = [None] * (len(names) - len(given.defaults))
    return list(zip(names, [*missing, *given.defaults], strict=True))


def _label(name: ast.arg, default: ast.expr | None) -> str:
    hint = f": {ast.unparse(name.annotation)}" if name.annotation else ""
    return f"{name.arg}{hint}" + (f"={ast.unparse(default)}" if default else "")


def _of_doc(value: Any) -> Signature | None:
    """C extensions write the signature into the first line of the documentation: `relu(input, inplace=False) -> Tensor`."""
    name = raw.name_of(value) if raw.is_class(value) else raw.exact(value.__name__) if _has_name(value) else ""
    top = documentation(value).lstrip().partition("\n")[0].strip()
    if not name or not top.startswith(f"{name}(") or len(top) > 400:
        return None
    inner, bracket, after = top[len(name) :].rpartition(")")
    written = f"{inner}{bracket}"
    found = _of_text(re.sub(r"(\*\w+), \*,", r"\1,", written), 0) if bracket else None
    tail = f" {after.strip()}" if after.strip() else ""
    if found is None:
        return Signature(written + tail, ()) if bracket else None
    return Signature(found.text + tail, found.parameters)


def _has_name(value: object) -> bool:
    return type(value) is types.FunctionType or id(type(value)) in _TEXT_SIGNED


def stored_annotations(function: Any) -> dict[str, Any]:
    """A function's annotations when they can be had without running anything."""
    if sys.version_info >= (3, 14):
        return {}
    found = function.__annotations__
    return found if raw.is_dict(found) else {}


def annotation(hint: object, depth: int = 0) -> str:
    """An annotation as text; `repr` of a generic would ask the classes inside it."""
    kind = type(hint)
    if kind is str:
        return cut(hint)  # type: ignore[arg-type]
    if hint is None or hint is type(None):
        return "None"
    if depth > 3:
        return "…"
    if kind is types.GenericAlias or id(kind) in _TYPING_ALIASES:
        return _generic(hint, depth)
    if kind is types.UnionType:
        return " | ".join(annotation(part, depth + 1) for part in _arguments(hint))
    if raw.is_class(hint):
        return raw.type_name(hint)  # type: ignore[arg-type]
    if kind is typing.ForwardRef:
        return raw.exact(raw.slot(raw.class_attribute(kind, "__forward_arg__")[0], hint)) or "…"
    if kind is typing.TypeVar or kind is typing.ParamSpec:
        return _stored(hint, "__name__") or "…"
    if kind is int or kind is bool:
        return repr(hint)
    if kind is list:
        return f"[{', '.join(annotation(part, depth + 1) for part in hint)}]"  # type: ignore[attr-defined]
    return {id(typing.Any): "Any", id(...): "..."}.get(id(hint)) or _stored(hint, "_name") or "…"


def _generic(hint: Any, depth: int) -> str:
    origin = hint.__origin__ if type(hint) is types.GenericAlias else raw.find(raw.instance_dict(hint), "__origin__")
    parts = [annotation(part, depth + 1) for part in _arguments(hint)]
    if origin is typing.Union:
        return " | ".join(parts)
    if origin is typing.Literal:
        parts = [repr(part) if type(part) in (str, int, bool) else "…" for part in _arguments(hint)]
    return f"{annotation(origin, depth + 1)}[{', '.join(parts)}]"


def _arguments(hint: Any) -> tuple[Any, ...]:
    kind = type(hint)
    if kind is types.GenericAlias or kind is types.UnionType:
        found = hint.__args__
    else:
        found = raw.find(raw.instance_dict(hint), "__args__")
    return found if type(found) is tuple else ()


def _stored(hint: object, name: str) -> str:
    """A text in an instance dict or C field of one of typing's own objects."""
    if raw.module_of(type(hint)) != "typing":
        return ""
    found = raw.find(raw.instance_dict(hint), name)
    if found is ABSENT:
        attribute = raw.class_attribute(type(hint), name)[0]
        found = raw.slot(attribute, hint) if raw.is_slot(attribute) else ABSENT
    return raw.exact(found)


def documentation(value: Any) -> str:
    """The stored documentation, cleaned, whole."""
    kind = type(value)
    text = ""
    if raw.is_class(value):
        text = raw.class_doc(value)
    elif raw.is_module(value):
        text = raw.exact(raw.find(raw.module_dict(value), "__doc__"))
    elif kind is property or _has_name(value) or kind is types.GetSetDescriptorType:
        text = raw.exact(value.__doc__)
    elif kind is types.MethodType or kind is staticmethod or kind is classmethod:
        text = documentation(value.__func__)
    else:
        wrapped = raw.find(raw.instance_dict(value), "__wrapped__")
        text = raw.exact(wrapped.__doc__) if type(wrapped) is types.FunctionType else ""
    return inspect.cleandoc(text) if text else ""


def summary(value: Any) -> str:
    """A value's documentation, its end cut off where it is very long; an instance shows its class's, builtins' data shows none."""
    if not (_has_name(value) or raw.is_class(value) or raw.is_module(value) or raw.kind_of(value) == "m"):
        kind = type(value)
        value = value if kind is property or kind is types.GetSetDescriptorType else kind
        if raw.module_of(kind) == "builtins" and value is kind:
            return ""
    text = documentation(value)
    return text if len(text) <= _DOC_CHARACTERS else f"{text[:_DOC_CHARACTERS].rpartition(chr(10))[0]}\n\n…"


def place(value: Any) -> tuple[str, int]:
    """File and 1-based line of a function or class, ("", 0) when it has none."""
    if raw.is_class(value):
        return _class_place(value)
    if raw.is_module(value):
        file = raw.exact(raw.find(raw.module_dict(value), "__file__"))
        return file, 1 if file else 0
    target, _, _ = unwrap(value)
    if type(target) is types.FunctionType:
        return raw.exact(target.__code__.co_filename), target.__code__.co_firstlineno
    return "", 0


def _class_place(kind: type) -> tuple[str, int]:
    """A class knows its line from Python 3.13 on; before, its first method's line is the nearest that is stored."""
    codes = [value.__code__ for _, value in raw.class_items(kind) if type(value) is types.FunctionType]
    module = raw.module_of(kind)
    own = [code for code in codes if raw.exact(code.co_qualname).startswith(f"{raw.name_of(kind)}.")]
    line = raw.class_own(kind, "__firstlineno__")
    nearest = min((code.co_firstlineno for code in own), default=0)
    if own:
        return raw.exact(own[0].co_filename), line if type(line) is int else nearest
    return raw.exact(raw.known(module, "__file__")), line if type(line) is int else 0
