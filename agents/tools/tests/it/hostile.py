"""A process that speaks the Model Context Protocol as badly as its argument says."""

import json
import os
import subprocess
import sys
import time

how = sys.argv[1]


def send(message):
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)


if how == "silent":
    time.sleep(600)
if how == "no-program":
    sys.exit(1)
if how == "family":
    # A child that outlives its parent unless the whole group is ended.
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    with open(os.environ["MARKER"], "w", encoding="utf-8") as file:
        file.write(f"{os.getpid()} {child.pid}")

has_been_before = False
if how == "deaf":
    has_been_before = os.path.exists(os.environ["MARKER"])
    with open(os.environ["MARKER"], "a", encoding="utf-8") as file:
        file.write(f"{os.getpid()}\n")

for line in sys.stdin:
    message = json.loads(line)
    method, number = message.get("method"), message.get("id")
    if how == "noise":
        print("Starting up… {not json", flush=True)
        print("\x00\xff\x1b[31m", flush=True)
        print("e" * 200_000, file=sys.stderr, flush=True)
    if method == "initialize":
        send(
            {
                "id": number,
                "result": {
                    "protocolVersion": message["params"]["protocolVersion"],
                    "capabilities": {"tools": {"listChanged": True}},
                    "serverInfo": {"name": "hostile", "version": "0"},
                },
            }
        )
    elif method == "tools/list":
        if how == "no-list":
            time.sleep(600)
        if how == "shapeless":
            schemas = {"any": {}, "properties": {"properties": {"a": {}}}, "number": {"type": "number"}}
            tools = [{"name": name, "inputSchema": schema} for name, schema in schemas.items()]
            send({"id": number, "result": {"tools": tools}})
            continue
        if how == "endless-list":
            page = int((message.get("params") or {}).get("cursor") or 0)
            tools = [{"name": f"t{page}", "inputSchema": {"type": "object"}}]
            send({"id": number, "result": {"tools": tools, "nextCursor": str(page + 1)}})
            continue
        tools = [{"name": "one", "description": "d" * 100_000, "inputSchema": {"type": "object"}}] * 2
        send({"id": number, "result": {"tools": tools}})
    elif method == "tools/call":
        if how == "line":
            # A result without an end, beyond every bound.
            for _ in range(40):
                sys.stdout.write("x" * 1_000_000)
            print(flush=True)
            continue
        if how == "error":
            send({"id": number, "error": {"code": -32602, "message": "no such thing\n" * 1000}})
            continue
        if how == "deaf" and not has_been_before:
            os.close(0)
            send({"id": number, "result": {"content": [{"type": "text", "text": "the last that I hear"}]}})
            time.sleep(600)
        send({"id": number, "result": {"content": [{"type": "text", "text": "fine"}]}})
