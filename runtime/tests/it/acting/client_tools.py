"""How the official client of the OpenAI API has tools of its own called. Started by client_tools.rs with the address.

Prints one JSON object: what it was answered, whole and in a stream, and how it understood refusals. The client is as it comes, but for its
retries.
"""

import json
import sys

import openai

client = openai.OpenAI(base_url=f"{sys.argv[1]}/v1", api_key="unused", max_retries=0)
USER = {"role": "user", "content": "How do I rotate an API key without downtime?"}


def function(name, **more):
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    return {"type": "function", "function": {"name": name, "description": "Tells the weather.", "parameters": parameters, **more}}


WEATHER = function("weather", strict=True)


def weather(call):
    city = json.loads(call.function.arguments)["city"]
    return {"role": "tool", "tool_call_id": call.id, "content": f"{city}: rain"}


def whole():
    """Asks, makes the calls as they come, and asks again with what came of them."""
    messages = [USER]
    wanted = client.chat.completions.create(model="technical", messages=messages, tools=[WEATHER])
    message = wanted.choices[0].message
    messages.append(message)
    messages += [weather(call) for call in message.tool_calls]
    answer = client.chat.completions.create(model="technical", messages=messages, tools=[WEATHER])
    messages += [answer.choices[0].message, {"role": "user", "content": "And how long does the old one keep working?"}]
    further = client.chat.completions.create(model="technical", messages=messages)
    return {"wanted": wanted.model_dump(), "answer": answer.model_dump(), "further": further.model_dump()}


def streamed():
    """The same in streams, with the client's own way of putting their pieces together."""
    messages = [USER]
    with client.chat.completions.stream(
        model="technical", messages=messages, tools=[WEATHER], stream_options={"include_usage": True}
    ) as stream:
        kinds = [event.type for event in stream]
        wanted = stream.get_final_completion()
    message = wanted.choices[0].message
    messages.append({"role": "assistant", "content": message.content, "tool_calls": [call.model_dump() for call in message.tool_calls]})
    messages += [weather(call) for call in message.tool_calls]
    with client.chat.completions.stream(model="technical", messages=messages, tools=[WEATHER]) as stream:
        answer = stream.until_done().get_final_completion()
    return {"kinds": kinds, "wanted": wanted.model_dump(), "answer": answer.model_dump()}


def refused(**wanted):
    try:
        client.chat.completions.create(model=wanted.pop("model", "technical"), messages=wanted.pop("messages", [USER]), **wanted)
    except openai.APIStatusError as error:
        return {"kind": type(error).__name__, "type": error.type, "param": error.param, "message": error.message}
    return None


call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
report = {
    "whole": whole(),
    "streamed": streamed(),
    "refused": {
        "ownName": refused(tools=[function("shop_orders")]),
        "ownNameOfSomebody": refused(model="orchestrator", tools=[function("shop_orders")]),
        "builtIn": refused(tools=[function("escalate")]),
        "noModel": refused(model="orchestrator", messages=[{"role": "user", "content": "Hello!"}], tools=[WEATHER], tool_choice="required"),
        "noTools": refused(tool_choice="required"),
        "otherTool": refused(tools=[WEATHER], tool_choice={"type": "function", "function": {"name": "time"}}),
        "noResult": refused(messages=[USER, {"role": "assistant", "content": None, "tool_calls": [call]}]),
        "noCall": refused(messages=[USER, {"role": "tool", "tool_call_id": "call_1", "content": "rain"}]),
    },
}
print(json.dumps(report))
