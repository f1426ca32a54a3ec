"""A language server that knows nothing: it answers what test_editor.py asks of it, so that the editor itself is tested.

Methods: echo (gives its params back), heard (all messages so far), fail, silent, tell (sends a notification),
ask (asks the client and gives back what it answered), die.
"""

from __future__ import annotations

import json
import sys


def read():
    length = 0
    while (line := sys.stdin.buffer.readline().strip()) != b"":
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return json.loads(sys.stdin.buffer.read(length)) if length else None


def write(message):
    body = json.dumps({"jsonrpc": "2.0", **message}).encode()
    sys.stdout.buffer.write(b"Content-Length: %d\r\nContent-Type: application/json\r\n\r\n" % len(body) + body)
    sys.stdout.buffer.flush()


def answer(message, heard):
    params = message.get("params")
    match message["method"]:
        case "fail":
            data = {"code": "core_missing", "command": "pip install yonder", "detail": ""}
            return {"error": {"code": -32000, "message": "Yonder is not installed there", "data": data}}
        case "heard":
            return {"result": heard}
        case "tell":
            write(params)
        case "ask":
            write({"id": 900, "method": params["method"], "params": params["params"]})
            return {"result": read()}
        case "die":
            sys.stderr.write("the floor is gone\n")
            sys.stderr.flush()
            sys.exit(3)
    return {"result": params}


def main():
    heard = []
    while (message := read()) is not None:
        heard.append(message)
        if message["method"] == "exit":
            return
        if "id" in message and message["method"] != "silent":
            write({"id": message["id"], **answer(message, heard)})


main()
