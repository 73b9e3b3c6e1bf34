"""A server of the Model Context Protocol, by its official SDK, that tells what is secret wherever it can tell anything.

`stdio`, or `http` on a port that it prints. Whatever has "canary" in it is secret.
"""

import asyncio
import json
import os
import sys

import mcp.types as types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

KEY = os.environ["NOTES_KEY"]
TEXT = {
    "type": "object",
    "properties": {"text": {"type": "string", "description": "a canarybird of ada.canary@example.org"}},
    "required": ["text"],
}
has_broken = False


def tool(name, schema):
    return types.Tool(
        name=name,
        title="The canarykeeper's",
        description=f"Does {name} for the canarykeeper, keeper.canary@example.org.",
        input_schema=schema,
    )


async def list_tools(context, params):
    unfit = {"type": "object", "properties": {"canary": {"type": "canary"}}, "pattern": "canary("}
    elsewhere = {"type": "object", "properties": {"canary": {"$ref": "http://canary.invalid/?q=canary"}}}
    endless = {"type": "object", "description": "canary" * 20_000}
    named = ["write", "refuse", "raise", "die", "break"]
    return types.ListToolsResult(
        tools=[tool(name, TEXT) for name in named]
        + [tool("unfit", unfit), tool("elsewhere", elsewhere), tool("endless", endless), tool("write", TEXT)]
    )


async def call_tool(context, params):
    global has_broken
    told = f"canary: {params.arguments} with {KEY}"
    print(told, file=sys.stderr, flush=True)
    match params.name:
        case "write":
            return types.CallToolResult(
                content=[types.TextContent(type="text", text=told)], structured_content={"canary": told}
            )
        case "refuse":
            return types.CallToolResult(content=[types.TextContent(type="text", text=told)], is_error=True)
        case "raise":
            raise ValueError(told)
        case "die":
            os._exit(3)
        case "break":
            # Over HTTP all that comes after this is refused.
            has_broken = True
            return types.CallToolResult(content=[types.TextContent(type="text", text=told)])
    raise ValueError(f"there is no {params.name}")


server = Server(
    "canary", version="canary", instructions=f"Feed the canary with {KEY}.", on_list_tools=list_tools, on_call_tool=call_tool
)


async def over_stdio():
    print(f"started with {KEY} by {dict(os.environ)}", file=sys.stderr, flush=True)
    # No message, and one that nobody asked for.
    print(f"canary {KEY}", flush=True)
    said = {"level": "error", "logger": "canary", "data": f"canary {KEY}"}
    print(json.dumps({"jsonrpc": "2.0", "method": "notifications/message", "params": said}), flush=True)
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


async def over_http():
    import socket

    import uvicorn

    app = server.streamable_http_app(host="127.0.0.1")

    async def guarded(scope, receive, send):
        if scope["type"] != "http":
            return await app(scope, receive, send)
        given = dict(scope["headers"]).get(b"authorization", b"")
        if given == f"Bearer {KEY}".encode() and not has_broken:
            return await app(scope, receive, send)
        body = b"canary " + given + (await receive()).get("body", b"")
        headers = [
            (b"www-authenticate", b'Bearer realm="canary", error="canary", scope="canary"'),
            (b"x-canary", given or b"canary"),
            (b"content-type", b"text/plain"),
        ]
        await send({"type": "http.response.start", "status": 500 if has_broken else 401, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    print(listener.getsockname()[1], flush=True)
    config = uvicorn.Config(guarded, log_level="error", lifespan="on")
    await uvicorn.Server(config).serve(sockets=[listener])


asyncio.run(over_stdio() if sys.argv[1] == "stdio" else over_http())
