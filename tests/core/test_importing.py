"""What a file imports, read from its text."""

import pytest

from yonder.importing import Import, imports


def tops(text):
    return [(one.top, one.optional) for one in imports(text)]


def test_other_packages_are_found_wherever_they_are_imported():
    text = """
import os, numpy as np, torch.nn
from sklearn.linear_model import LinearRegression
from . import own
from .own import deeper
import yonder
def late():
    import pandas
class C:
    from polars import DataFrame
"""
    assert [name for name, _ in tops(text)] == ["numpy", "torch", "sklearn", "pandas", "polars"]


def test_what_the_file_can_do_without_is_optional():
    text = """
try:
    import fast
    def f():
        import inside
except (ImportError, AttributeError):
    import slow
try:
    import needed
except ValueError:
    pass
try:
    import any_way
except:
    pass
"""
    assert tops(text) == [("fast", True), ("inside", True), ("slow", True), ("needed", False), ("any_way", True)]


def test_what_only_type_checkers_see_is_not_imported():
    text = """
import typing
if typing.TYPE_CHECKING:
    import types_only
else:
    import really
"""
    assert tops(text) == [("really", False)]


def test_places_are_counted_in_characters():
    (found,) = imports('"ä"; import numpy')
    assert found == Import("numpy", 1, 5, 1, 17)
    (found,) = imports("from numpy import (\n    array,\n)\n")
    assert (found.line, found.end_line, found.end_column) == (1, 3, 1)


@pytest.mark.parametrize("text", ["import", "x = (", "\0", "(" * 5000])
def test_what_is_no_python_is_a_syntax_error(text):
    with pytest.raises((SyntaxError, MemoryError)):
        imports(text)
