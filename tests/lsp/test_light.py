"""The protocol's classes as the server loads them do what the whole ones do, as far as it is used."""

import subprocess
import sys

import msgspec

SHOWN = """
import json, sys
from yonder_lsp import light

if sys.argv[1] == "light":
    light.load()
import attrs
from lsprotocol import converters, types

light.load()  # whoever was first, it is not loaded again
converter = converters.get_converter()
capabilities = {"textDocument": {"completion": {"completionList": {"itemDefaults": ["data"]}}}}
params = {"processId": None, "rootUri": None, "capabilities": capabilities, "initializationOptions": {"a": 1}}
asked = converter.structure({"id": 1, "method": "initialize", "params": params}, types.InitializeRequest)
told = types.PublishDiagnosticsParams("file:///a.py", [types.Diagnostic(types.Range(types.Position(1, 2), types.Position(3, 4)), "m")])
try:
    types.Position(-1, 0)
    refused = ""
except ValueError:
    refused = "negative"
print(json.dumps([
    converter.unstructure(asked), converter.unstructure(told), refused,
    types.Position(1, 2) == types.Position(1, 2), types.Position(1, 2) < types.Position(1, 3),
    attrs.define.__module__, "__slots__" in vars(types.Diagnostic),
]))
"""


def shown(how: str) -> list[object]:
    done = subprocess.run([sys.executable, "-c", SHOWN, how], check=True, capture_output=True, timeout=60)
    return msgspec.json.decode(done.stdout, type=list[object])


def test_light_classes_hold_convert_and_check_as_the_whole_ones():
    light, whole = shown("light"), shown("whole")
    assert (light[-1], whole[-1]) == (False, True)  # the control: they are not the same classes
    assert light[:-1] == whole[:-1]
    assert light[2:5] == ["negative", True, True]
