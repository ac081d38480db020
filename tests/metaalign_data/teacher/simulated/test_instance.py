from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from metaalign_data.answers import ANSWERS
from metaalign_data.teacher.simulated.instance import instance_of


class Review(BaseModel):
    stars: Annotated[int, Field(ge=1, le=5)]
    share: Annotated[float, Field(gt=0.5)]
    debt: Annotated[int, Field(le=-3)]
    mood: Literal["calm", "glad"]
    certain: bool
    title: Annotated[str, Field(min_length=20)]
    tag: Annotated[str, Field(max_length=3)]
    reasons: Annotated[list[str], Field(min_length=2)]
    next: "Review | None" = None
    remark: str | None


@pytest.mark.parametrize("model", [Review, *ANSWERS.values()])
def test_an_instance_is_valid_against_its_model(model):
    model.model_validate(instance_of(model.model_json_schema(), "Because."))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda each: (
        st.lists(each, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "properties", "items", "minItems", "minimum", "$ref", "$defs", "enum", "anyOf", "maxLength"]
            )
            | st.text(max_size=3),
            each | st.sampled_from(["object", "array", "string", "integer"]),
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(schema=st.dictionaries(st.sampled_from(["type", "properties", "items", "minItems", "$ref", "anyOf"]), JSON))
def test_what_is_no_schema_has_no_instance_and_raises_nothing(schema):
    instance_of(schema, "x")
