"""A server of the Model Context Protocol, by its official SDK: `stdio`, or `http` on a port that it prints."""

import asyncio
import os
import sys

import anyio
import mcp.types as types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

MARKER = os.environ.get("MARKER", "")
grown = False


def mark(word):
    if MARKER:
        with open(MARKER, "a", encoding="utf-8") as file:
            file.write(word + "\n")


def tool(name, schema=None, **hints):
    return types.Tool(
        name=name,
        description=f"Does {name}.",
        input_schema=schema or {"type": "object"},
        annotations=types.ToolAnnotations(**hints) if hints else None,
    )


async def list_tools(context, params):
    mark("listed")
    text = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
    tools = [
        tool("echo", text, read_only_hint=True),
        tool("put", idempotent_hint=True),
        tool("weird name/№ 7"),
        tool("data"),
        tool("environment"),
        tool("fail"),
        tool("huge"),
        tool("slow"),
        tool("die"),
        tool("grow"),
        tool("lies", {"type": "object", "properties": {"a": {"type": 5}}}),
        tool("either", {"type": "object", "anyOf": [{"required": [name], "properties": {name: {}}} for name in ("id", "mail")]}),
        tool("all", {"type": "object", "allOf": [{"$ref": "#/$defs/A"}], "$defs": {"A": {"properties": {"a": {"type": "integer"}}}}}),
        tool("elsewhere", {"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:9/schema.json"}}}),
    ]
    if grown:
        tools.append(tool("grown"))
    return types.ListToolsResult(tools=tools)


def said(text, **more):
    return types.CallToolResult(content=[types.TextContent(type="text", text=text)], **more)


async def call_tool(context, params):
    global grown
    match params.name:
        case "echo":
            return said(params.arguments["text"])
        case "data":
            return types.CallToolResult(content=[], structured_content={"answer": 42})
        case "environment":
            return said("\n".join(f"{name}={value}" for name, value in sorted(os.environ.items())))
        case "fail":
            return said("it did not work", is_error=True)
        case "huge":
            return said("ä" * 4_000_000, structured_content={"all": "x" * 1_000_000})
        case "slow":
            mark("begun")
            try:
                await anyio.sleep(60)
            except BaseException:
                mark("cancelled")
                raise
            return said("done")
        case "die":
            mark("dies")
            os._exit(3)
        case "grow":
            grown = True
            await context.session.send_tool_list_changed()
            return said("there is more now")
        case name:
            return said(f"called {name}")


server = Server("test", version="1", on_list_tools=list_tools, on_call_tool=call_tool)


async def over_stdio():
    mark(f"started {os.getpid()}")
    print("a word on the error stream", file=sys.stderr, flush=True)
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


async def over_http(token):
    import socket

    import uvicorn

    app = server.streamable_http_app(host="127.0.0.1")

    async def guarded(scope, receive, send):
        if scope["type"] == "http" and dict(scope["headers"]).get(b"authorization") != f"Bearer {token}".encode():
            await send({"type": "http.response.start", "status": 401, "headers": []})
            await send({"type": "http.response.body", "body": b"no"})
            return
        await app(scope, receive, send)

    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", int(sys.argv[2])))
    listener.listen()
    print(listener.getsockname()[1], flush=True)
    config = uvicorn.Config(guarded, log_level="error", lifespan="on")
    await uvicorn.Server(config).serve(sockets=[listener])


if sys.argv[1] == "stdio":
    anyio.run(over_stdio)
else:
    asyncio.run(over_http(os.environ["TOKEN"]))
