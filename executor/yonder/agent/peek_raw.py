"""Reading objects without asking them: the primitives under `peek`.

Everything here goes through the interpreter's own C slots (`type.__dict__['__mro__']`, `dict.items`, member descriptors)
and compares by identity, so that no method, property, metaclass or `__eq__` of the person's runs. Each function says in
what way the obvious spelling (`getattr`, `isinstance`, `d[key]`) would have run something.

What belongs here: how to read. What this file must not know: queries, texts, third-party libraries.
"""

from __future__ import annotations

import builtins
import operator
import sys
import types
from collections import namedtuple
from collections.abc import Callable, Iterable
from functools import cached_property, lru_cache, partialmethod
from itertools import repeat
from typing import Any, Final


class _Absent:
    """The one value that stands for "not there"."""


ABSENT: Final = _Absent()

_of_type: dict[str, Any] = dict(vars(type))
_mro_slot = _of_type["__mro__"].__get__
_class_dict_slot = _of_type["__dict__"].__get__
_flags_slot = _of_type["__flags__"].__get__
_name_slot = _of_type["__name__"].__get__
_module_slot = _of_type["__module__"].__get__
_doc_slot = _of_type["__doc__"].__get__
_module_dict_slot = vars(types.ModuleType)["__dict__"].__get__
_str_copy = str.__str__

_C_ERRORS = (AttributeError, TypeError, ValueError, RuntimeError)

# Bits of `tp_flags` that CPython sets by inheritance: a subclass test without `isinstance` and without walking.
_HEAP = 1 << 9
_TUPLE, _STR, _DICT, _CLASS = 1 << 26, 1 << 28, 1 << 29, 1 << 31

_TupleGetter: Final = type(namedtuple("_Pair", "a").__dict__["a"])  # noqa: PYI024 - its descriptor's type is wanted

# The kind letter of a class attribute by the identity of its type. Keys are ids: hashing the type itself would call a
# metaclass's __hash__. Builtin types never die, so their ids stay theirs.
_METHOD_TYPES: Final = (
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.MethodWrapperType,
    types.ClassMethodDescriptorType,
    staticmethod,
    classmethod,
    partialmethod,
    type(lru_cache(len)),
)
_PROPERTY_TYPES: Final = (property, types.GetSetDescriptorType, cached_property, types.DynamicClassAttribute)
KIND_BY_TYPE: Final[dict[int, str]] = {
    **{id(kind): "m" for kind in _METHOD_TYPES},
    **{id(kind): "p" for kind in _PROPERTY_TYPES},
    id(types.MemberDescriptorType): "f",
    id(_TupleGetter): "f",
    id(type): "c",
    id(types.ModuleType): "M",
}


def exact(text: object) -> str:
    """A real `str` of a string; of anything else "". A str subclass would run its own `__format__` or `__eq__`."""
    if type(text) is str:
        return text
    return _str_copy(text) if _flags_slot(type(text)) & _STR else ""


def mro(kind: type) -> tuple[type, ...]:
    """The real method resolution order; `kind.__mro__` could be a metaclass's property."""
    return _mro_slot(kind) or ()


def is_class(value: object) -> bool:
    """`isinstance(value, type)` without asking `value.__class__`."""
    return bool(_flags_slot(type(value)) & _CLASS)


def is_dict(value: object) -> bool:
    """A dict or a subclass; its storage may be read with `items`, its methods may not be called."""
    return bool(_flags_slot(type(value)) & _DICT)


def is_tuple(value: object) -> bool:
    return bool(_flags_slot(type(value)) & _TUPLE)


def derives(kind: type, base: object) -> bool:
    """`issubclass` by identity: no `__subclasscheck__`, no ABC registry."""
    return any(cls is base for cls in mro(kind))


def is_module(value: object) -> bool:
    kind = type(value)
    return kind is types.ModuleType or derives(kind, types.ModuleType)


def items(mapping: Any) -> list[tuple[Any, Any]]:
    """The entries of a dict's storage, also of a subclass's, whose own `items` would be user code.

    Another thread may change the dict meanwhile (a collection in the middle of the copy can run anything): try again.
    """
    for _ in range(20):
        try:
            return list(dict.items(mapping))
        except RuntimeError:
            continue
    return []


def find(mapping: Any, key: str | int) -> Any:
    """The value under an exact key, or ABSENT, without running the `__eq__` of any other key.

    A plain look-up compares with whatever else has the same hash, so it is only used when all keys are real strings (or
    real numbers, for a number).
    """
    try:
        if all(map(operator.is_, map(type, dict.keys(mapping)), repeat(type(key)))):
            return dict.get(mapping, key, ABSENT)
    except RuntimeError:  # the dict changed under the check: fall through to the copy
        return _scan(items(mapping), key)
    return _scan(items(mapping), key)


def _scan(entries: Iterable[tuple[Any, Any]], key: str | int) -> Any:
    for name, value in entries:
        if type(name) is type(key) and name == key:
            return value
    return ABSENT


def class_items(kind: type) -> list[tuple[Any, Any]]:
    """The entries of a class's own dict; `vars(kind)` would ask a metaclass's `__dict__`."""
    for _ in range(20):
        try:
            return list(_class_dict_slot(kind).items())
        except RuntimeError:
            continue
    return []


def class_own(kind: type, name: str) -> Any:
    """One entry of a class's own dict, or ABSENT."""
    own = _class_dict_slot(kind)
    try:
        if all(map(operator.is_, map(type, own), repeat(str))):
            return own.get(name, ABSENT)
    except RuntimeError:
        return _scan(class_items(kind), name)
    return _scan(class_items(kind), name)


def class_attribute(kind: type, name: str) -> tuple[Any, Any]:
    """The raw class attribute that instances of `kind` see, and the class it stands in (ABSENT, ABSENT: none)."""
    for cls in mro(kind):
        value = class_own(cls, name)
        if value is not ABSENT:
            return value, cls
    return ABSENT, ABSENT


def module_dict(module: object) -> dict[str, Any]:
    """A module's real dict; a lazy module's `__getattr__` and `__dict__` are left alone."""
    found: dict[str, Any] | None = _module_dict_slot(module)
    return found if found is not None else {}


def instance_dict(value: object) -> dict[Any, Any]:
    """The dict of an instance; a new empty one when it has none or hides it. It may be of a subclass: do not ask its truth.

    `value.__dict__` may be a property. The interpreter's own accessor stands in the class that introduced the dict, as a
    get-set (of a class written in C also as a member) descriptor of that very class; anything else under that name was put
    there by somebody.
    """
    kind = type(value)
    if is_class(value):
        return {}
    if is_module(value):
        return module_dict(value)
    for cls in mro(kind):
        accessor = class_own(cls, "__dict__")
        if accessor is ABSENT:
            continue
        if not is_field(accessor) or accessor.__objclass__ is not cls:
            return {}
        try:
            found = accessor.__get__(value)
        except (AttributeError, TypeError):
            return {}
        return found if is_dict(found) else {}
    return {}


def slot(descriptor: Any, value: object) -> Any:
    """What a `__slots__` (or named tuple) entry holds, or ABSENT while it is unset. The descriptor is C code."""
    try:
        return descriptor.__get__(value)
    except (AttributeError, TypeError):
        return ABSENT


def is_field(attribute: object) -> bool:
    """A field of a class written in C: reading it runs C code alone."""
    return type(attribute) is types.GetSetDescriptorType or type(attribute) is types.MemberDescriptorType


def c_field(kind: type, name: str, value: object) -> Any:
    """A get-set or member field of an exact type, or ABSENT. A Python property of that name is not run."""
    attribute = class_attribute(kind, name)[0]
    if not is_field(attribute):
        return ABSENT
    try:
        return attribute.__get__(value)
    except _C_ERRORS:
        return ABSENT


def c_reader(kind: type, name: str) -> Callable[[object], Any]:
    """`c_field` for many values of one exact type: the attribute is looked up once."""
    attribute = class_attribute(kind, name)[0]
    if not is_field(attribute):
        return lambda _value: ABSENT
    get = attribute.__get__

    def read(value: object) -> Any:
        try:
            return get(value)
        except _C_ERRORS:
            return ABSENT

    return read


def kin(kind: type) -> int:
    """A number that changes when the classes of an MRO get other members: made of their names and of what kind each is."""
    found = 0
    for cls in mro(kind):
        if cls is object:
            continue
        entries = [(name, id(type(value))) for name, value in class_items(cls) if type(name) is str]
        found = hash((found, tuple(entries)))
    return found & 0x7FFFFFFF or 1


def c_call(kind: type, name: str, value: object, *arguments: object) -> Any:
    """A method of an exact type that is C code, called; else ABSENT."""
    attribute = class_attribute(kind, name)[0]
    if type(attribute) is not types.MethodDescriptorType and type(attribute) is not types.WrapperDescriptorType:
        return ABSENT
    try:
        return attribute(value, *arguments)
    except _C_ERRORS:
        return ABSENT


def is_slot(attribute: object) -> bool:
    return type(attribute) is types.MemberDescriptorType or type(attribute) is _TupleGetter


def defines(kind: type, *names: str) -> bool:
    """Whether a class of the MRO has one of these dunder names (is it a descriptor, is it callable)."""
    return any(class_own(cls, name) is not ABSENT for cls in mro(kind) for name in names)


def name_of(kind: type) -> str:
    """A class's own name."""
    return exact(_name_slot(kind))


def module_of(kind: type) -> str:
    """The name of the module a class says it is from. Of a heap type it is an entry of its dict, which may be anything."""
    if not _flags_slot(kind) & _HEAP:
        return exact(_module_slot(kind))
    return exact(class_own(kind, "__module__"))


def type_name(kind: type) -> str:
    """`torch.Tensor`, `int`, `Net`: qualified unless it is a builtin's or the session's own."""
    module, name = module_of(kind), name_of(kind)
    return name if module in ("", "builtins", "__main__") else f"{module}.{name}"


def class_doc(kind: type) -> str:
    """A class's documentation; a heap type's may be a descriptor, which is not asked."""
    if not _flags_slot(kind) & _HEAP:
        return exact(_doc_slot(kind))
    return exact(class_own(kind, "__doc__"))


def kind_of(value: object) -> str:
    """The kind letter of a value under a name (see wire.Member)."""
    found = KIND_BY_TYPE.get(id(type(value)))
    if found in ("m", "c", "M"):
        return found
    if is_class(value):
        return "c"
    return "M" if is_module(value) else "v"


def listed_kind(value: object) -> str:
    """The same for a list of names: what is called like a function is shown as one."""
    found = kind_of(value)
    return "m" if found == "v" and _makes_functions(type(value)) else found


_function_makers: dict[int, bool] = {}  # classes written in C live as long as the process, and their ids with them


def _makes_functions(kind: type) -> bool:
    """A class written in C whose instances are called, as numpy's `ufunc`."""
    found = _function_makers.get(id(kind))
    if found is None:
        if _flags_slot(kind) & _HEAP:
            return False
        found = _function_makers[id(kind)] = class_attribute(kind, "__call__")[1] is not ABSENT
    return found


def known(module: str, name: str) -> Any:
    """A class or function that a loaded library calls `name`, or ABSENT. Never imports."""
    found = sys.modules.get(module)
    return find(module_dict(found), name) if found is not None and is_module(found) else ABSENT


def builtin_names() -> dict[str, Any]:
    return module_dict(builtins)


def subscripts_as(value: object, base: type) -> bool:
    """Whether `value[key]` is `base.__getitem__` itself: the exact builtin, or a subclass that has not put its own there."""
    kind = type(value)
    return kind is base or (derives(kind, base) and class_attribute(kind, "__getitem__")[1] is base)


def plain_dict(value: object) -> bool:
    """A dict whose subscript is its storage's."""
    return is_dict(value) and subscripts_as(value, dict)
