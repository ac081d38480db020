"""A small value that satisfies a JSON Schema: what a server with constrained decoding would send."""

import hashlib
from typing import Any

TEXT = (
    "the answer depends on several careful choices we made while reading your question and "
    "a short example shows why one path is clearer than another under this value"
)
WORDS = TEXT.split()


def prose(seed: bytes, words: int = 24) -> str:
    """Readable nonsense, a pure function of `seed`."""
    picked = hashlib.shake_128(seed).digest(words)
    return " ".join(WORDS[byte % len(WORDS)] for byte in picked) + " #" + seed.hex()[:8]


def derive(seed: bytes, part: object) -> bytes:
    return hashlib.blake2b(seed + str(part).encode(), digest_size=16).digest()


def instance(schema: dict[str, Any], seed: bytes, root: dict[str, Any], depth: int = 0) -> Any:
    """A value of `schema`, deterministic in `seed`; `root` is where "$ref" is looked up."""
    if "$ref" in schema:
        node = root
        for part in schema["$ref"].lstrip("#/").split("/"):
            node = node[part]
        return instance(node, seed, root, depth + 1)
    number = int.from_bytes(derive(seed, "number"), "big")
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][number % len(schema["enum"])]
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            return instance(schema[key][-1 if depth > 8 else 0], seed, root, depth + 1)
    return _of_type(schema, number, seed, root, depth)


def _of_type(schema: dict[str, Any], number: int, seed: bytes, root: dict[str, Any], depth: int) -> Any:
    match schema.get("type", "object" if "properties" in schema else "string"):
        case "object":
            fields = schema.get("properties", {})
            return {name: instance(field, derive(seed, name), root, depth + 1) for name, field in fields.items()}
        case "array":
            count = schema.get("minItems", 0 if depth > 8 else 1)
            return [instance(schema.get("items", {}), derive(seed, i), root, depth + 1) for i in range(count)]
        case "boolean":
            return bool(number & 1)
        case "integer":
            low = schema.get("minimum", 0)
            return low + number % (schema.get("maximum", low + 10) - low + 1)
        case "number":
            low = schema.get("minimum", 0.0)
            return low + (schema.get("maximum", low + 10.0) - low) * (number % 1000) / 1000
        case "null":
            return None
        case _:
            return prose(seed, 8)
