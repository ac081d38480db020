from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from json_instance import instance
from metaalign_data.answers import ANSWERS, PreferenceText
from metaalign_data.chat import Message
from metaalign_data.prompting import Library
from metaalign_data.teacher.schema import schema_text, strict_schema, with_json_instructions
from teachers import ask


class Cat(BaseModel):
    kind: Literal["cat"]
    title: str = Field(default="Mr", min_length=2, max_length=9)


class Dog(BaseModel):
    kind: Literal["dog"]
    default: int = Field(ge=1, le=10)


class Zoo(BaseModel):
    """Names that are keywords of JSON Schema too, unions, references, lists."""

    properties: Annotated[Cat | Dog, Field(discriminator="kind")]
    pets: list[Cat] = Field(min_length=1)
    first: Cat = Field(description="the one that was here first")
    note: str | None = None


def objects(node: Any) -> list[dict[str, Any]]:
    """All object schemas in a schema."""
    if isinstance(node, list):
        return [found for each in node for found in objects(each)]
    if not isinstance(node, dict):
        return []
    own = [node] if node.get("type") == "object" else []
    return own + [found for each in node.values() for found in objects(each)]


@pytest.mark.parametrize("output", [*ANSWERS.values(), Zoo])
def test_strict_objects_are_closed_and_all_their_properties_required(output: type[BaseModel]) -> None:
    found = objects(strict_schema(output))
    assert found
    for each in found:
        assert each["additionalProperties"] is False
        assert each["required"] == list(each["properties"])


def test_properties_keep_their_names_whatever_they_are() -> None:
    schema = strict_schema(Zoo)
    assert list(schema["properties"]) == ["properties", "pets", "first", "note"] or set(schema["properties"]) == {
        "properties",
        "pets",
        "first",
        "note",
    }
    assert set(schema["$defs"]["Cat"]["properties"]) == {"kind", "title"}
    assert schema["$defs"]["Dog"]["properties"]["default"] == {"type": "integer", "minimum": 1, "maximum": 10}


def test_what_strict_decoding_has_no_words_for_is_left_out() -> None:
    schema = strict_schema(Zoo)
    assert schema["$defs"]["Cat"]["properties"]["title"] == {"type": "string"}
    assert schema["properties"]["first"] == {"$ref": "#/$defs/Cat"}
    assert schema["properties"]["properties"] == {"anyOf": [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Dog"}]}
    assert schema["properties"]["pets"]["minItems"] == 1


@pytest.mark.parametrize("output", [*ANSWERS.values(), Zoo])
def test_what_the_strict_schema_allows_the_model_takes(output: type[BaseModel]) -> None:
    schema = strict_schema(output)
    for seed in range(20):
        value = instance(schema, bytes([seed]) * 8, schema)
        if output is Zoo:  # the strict dialect has no maxLength; the model has
            for cat in (value["first"], *value["pets"], value["properties"]):
                cat["title"] = "Mrs"
        output.model_validate(value)


def test_the_model_itself_is_not_narrowed() -> None:
    strict_schema(PreferenceText)
    assert "minLength" in schema_text(PreferenceText)


def test_instructions_hold_the_schema_and_join_the_system_message() -> None:
    plain = ask("question")
    assert with_json_instructions(plain, Library()) == plain.messages
    alone = with_json_instructions(plain.expecting(PreferenceText), Library())
    assert [m.role for m in alone] == ["system", "user"]
    assert schema_text(PreferenceText) in alone[0].content
    system = Message(role="system", content="Be kind.")
    request = plain.model_copy(update={"messages": (system, *plain.messages), "output": PreferenceText})
    joined = with_json_instructions(request, Library())
    assert joined[0].content == f"Be kind.\n\n{alone[0].content}"
    assert joined[1:] == plain.messages
