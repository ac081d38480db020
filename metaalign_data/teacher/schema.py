"""JSON Schemas of answers: as text, and in the dialect that strict decoding wants."""

import json
from functools import cache
from typing import Any

from pydantic import BaseModel

from metaalign_data.chat import ChatRequest, Message
from metaalign_data.prompting import Library

# Not in the dialect of strict decoding, or without any use to it; the answer is validated against the model itself.
_LEFT_OUT = {"title", "default", "examples", "minLength", "maxLength", "discriminator"}


@cache
def schema_text(output: type[BaseModel]) -> str:
    """The JSON Schema of `output` as JSON with sorted keys."""
    return json.dumps(output.model_json_schema(), sort_keys=True)


@cache
def strict_schema(output: type[BaseModel]) -> dict[str, Any]:
    """The schema of `output` as OpenAI's strict mode takes it: closed objects, every property required.

    It is wider than the model where the dialect has no words for a rule, and never narrower, except that optional
    properties have to be there.
    """
    strict: dict[str, Any] = _strict(json.loads(schema_text(output)))
    return strict


def _strict(node: Any) -> Any:
    if isinstance(node, list):
        return [_strict(each) for each in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:  # nothing may stand beside it, and what pydantic puts there is a title or a description
        return {"$ref": node["$ref"]}
    found: dict[str, Any] = {}
    for key, value in node.items():
        if key in ("properties", "$defs"):
            found[key] = {name: _strict(each) for name, each in value.items()}
        elif key not in _LEFT_OUT:
            found["anyOf" if key == "oneOf" else key] = _strict(value)
    if "properties" in found:
        found |= {"additionalProperties": False, "required": list(found["properties"])}
    return found


def with_json_instructions(request: ChatRequest, library: Library) -> tuple[Message, ...]:
    """The messages, with the words of prompts/answer_json.md in the system message: for whoever has no JSON mode."""
    if request.output is None:
        return request.messages
    (extra,) = library.prompt("answer_json").messages(schema=schema_text(request.output))
    first, *rest = request.messages
    if first.role == "system":
        return (Message(role="system", content=f"{first.content}\n\n{extra.content}"), *rest)
    return (extra, *request.messages)
