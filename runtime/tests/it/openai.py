"""What the official client of the OpenAI API makes of a server. Started by openai.rs with the address, and a token or nothing.

Prints one JSON object. The client is as it comes, but for its retries: a refusal is to be seen at once.
"""

import json
import sys

import openai

ADDRESS, TOKEN = sys.argv[1:]
QUESTION = "How do I rotate an API key?"

client = openai.OpenAI(base_url=f"{ADDRESS}/v1", api_key=TOKEN or "unused", max_retries=0)


def refused(**wanted):
    """Asks for what is refused, and says how the client understood that."""
    messages = wanted.pop("messages", [{"role": "user", "content": QUESTION}])
    try:
        client.chat.completions.create(model=wanted.pop("model", "technical"), messages=messages, **wanted)
    except openai.APIStatusError as error:
        return {
            "kind": type(error).__name__,
            "type": error.type,
            "param": error.param,
            "code": error.code,
            "requestId": error.request_id,
        }
    return None


def whole(model, messages, **more):
    completion = client.chat.completions.create(model=model, messages=messages, **more)
    return completion.model_dump()


def streamed(model, messages, **more):
    chunks = [chunk.model_dump() for chunk in client.chat.completions.create(model=model, messages=messages, stream=True, **more)]
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    return {
        "text": "".join(delta.get("content") or "" for delta in deltas),
        "pieces": sum(1 for delta in deltas if delta.get("content")),
        "role": deltas[0]["role"],
        "ids": sorted({chunk["id"] for chunk in chunks}),
        "finish": [choice["finish_reason"] for chunk in chunks for choice in chunk["choices"]][-1],
        "usage": chunks[-1]["usage"],
        "choicesOfLast": len(chunks[-1]["choices"]),
        "beside": [chunk["orchestratai"] for chunk in chunks if chunk.get("orchestratai")],
    }


user = {"role": "user", "content": QUESTION}
conversation = [
    {"role": "system", "content": "Answer in verse."},
    {"role": "user", "content": "How do I rotate an API key?"},
    {"role": "assistant", "content": "Create a second key, move your services to it, and revoke the first one."},
    {"role": "user", "content": [{"type": "text", "text": "How long does the old one keep working?"}]},
]
raw = client.chat.completions.with_raw_response.create(model="orchestrator", messages=[user])
report = {
    "models": [model.id for model in client.models.list()],
    "model": client.models.retrieve("billing").model_dump(),
    "whole": whole("technical", [user]),
    "headers": dict(raw.headers),
    "routed": raw.parse().model_dump(),
    "directed": whole("billing", [user]),
    "streamed": streamed("technical", [user], stream_options={"include_usage": True}),
    "streamedPlain": streamed("technical", [user]),
    "followUp": whole("technical", conversation),
    "refused": {
        "unknownModel": refused(model="gpt-0"),
        "noMessage": refused(messages=[]),
        "lastIsAssistant": refused(messages=[user, {"role": "assistant", "content": "Yes."}]),
        "tooLong": refused(messages=[{"role": "user", "content": "a" * 2001}]),
        "image": refused(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}]),
        "twoAnswers": refused(n=2),
        "json": refused(response_format={"type": "json_object"}),
        "streamOfUnknown": refused(model="gpt-0", stream=True),
    },
}
if TOKEN:
    client = openai.OpenAI(base_url=f"{ADDRESS}/v1", api_key="wrong", max_retries=0)
    report["refused"]["wrongKey"] = refused()
print(json.dumps(report))
