"""A plain instance of a JSON Schema, for shapes of answer that the simulated teacher knows nothing of."""

from typing import Any

_MAX_DEPTH = 12
_MAX_ITEMS = 64
_MAX_CHARS = 10_000


def instance_of(schema: dict[str, Any], text: str) -> Any:
    """The simplest value that fits the schema; its free strings say `text`. Knows the words that pydantic writes.

    None where it is no schema, or one that goes deeper than any answer.
    """
    try:
        return _value(schema, schema.get("$defs", {}), text, _MAX_DEPTH)
    except (TypeError, AttributeError, ValueError):
        return None


def _value(node: Any, definitions: dict[str, Any], text: str, depth: int) -> Any:
    if not isinstance(node, dict) or depth == 0:
        return None
    if "$ref" in node:
        return _value(definitions.get(str(node["$ref"]).rpartition("/")[2]), definitions, text, depth - 1)
    for key in ("const", "default"):
        if key in node:
            return node[key]
    for key in ("enum", "anyOf", "oneOf", "allOf"):
        if isinstance(node.get(key), list) and node[key]:
            first = node[key][0]
            return first if key == "enum" else _value(first, definitions, text, depth - 1)
    match node.get("type", "object"):
        case "object":
            properties = node.get("properties", {})
            return {name: _value(each, definitions, text, depth - 1) for name, each in properties.items()}
        case "array":
            return [_value(node.get("items"), definitions, text, depth - 1)] * min(
                _MAX_ITEMS, max(1, node.get("minItems", 1))
            )
        case "string":
            return text[: node.get("maxLength", len(text))].ljust(min(_MAX_CHARS, node.get("minLength", 0)), ".")
        case "boolean":
            return True
        case "integer" | "number":
            if "exclusiveMinimum" in node:
                return node["exclusiveMinimum"] + 1
            return node.get("minimum", min(1, node.get("maximum", 1)))
    return None
