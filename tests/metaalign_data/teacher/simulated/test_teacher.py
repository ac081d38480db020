import asyncio
import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from asking import ask, complete, library, teacher
from metaalign_data.answers import ANSWERS
from metaalign_data.chat import ChatRequest, Message
from metaalign_data.teacher.base import Client
from metaalign_data.teacher.simulated import SimulatedTeacher

CELL = {"dimension": "tone", "value": "formal", "meaning": "Use a formal tone.", "style": "friendly"}
INPUTS = {
    "write_explicit_preference": {"speaker": "user", **CELL},
    "write_implicit_preference": {"contrast": "Use a relaxed tone.", **CELL},
    "write_consensus_question": {"query": "How do I bake bread?"},
    "write_opinion_question": {"query": "How do I bake bread?"},
    "generate_response": {"system_info": "", "user_info": "", "query": "Why?", "target": "Be brief."},
    "judge_pairwise": {"system_info": "", "user_info": "", "query": "Why?", "response_a": "x", "response_b": "y"},
}


def test_it_is_a_client():
    made = teacher()
    assert isinstance(made, Client)
    assert made.model == "simulated"
    assert list(made.check()) == []
    assert asyncio.run(made.probe()) == {}
    made.remember({"n": True})
    asyncio.run(made.aclose())


@pytest.mark.parametrize("name", INPUTS)
def test_every_prompt_gets_an_answer_of_the_kind_that_it_asks_for(name):
    text = ask(name, **INPUTS[name])
    output = library().prompt(name).output
    if output is None:
        assert not text.startswith("{")
    else:
        output.model_validate_json(text)


def test_every_prompt_with_an_answer_model_is_tried_here():
    outputs = {library().prompt(name).front.output for name in INPUTS} - {None}
    assert outputs == set(ANSWERS)


@pytest.mark.parametrize("name", INPUTS)
def test_it_sees_nothing_but_the_messages(name):
    request = library().prompt(name).render(**INPUTS[name])
    bare = ChatRequest(messages=request.messages, temperature=request.temperature)
    assert complete(bare, teacher()).text == complete(request, teacher()).text


@pytest.mark.parametrize("name", INPUTS)
def test_equal_requests_get_equal_answers(name):
    assert ask(name, **INPUTS[name]) == ask(name, **INPUTS[name])


def test_sample_and_seed_vary_the_answer():
    inputs = INPUTS["write_explicit_preference"]
    answers = {ask("write_explicit_preference", sample=i, **inputs) for i in range(10)}
    assert len(answers) > 5
    assert ask("write_explicit_preference", by=teacher(1), **inputs) not in {
        ask("write_explicit_preference", by=teacher(0), **inputs)
    }


def test_without_temperature_all_samples_are_alike():
    messages = (Message(role="user", content="Why is the sky blue?"),)
    cold = ChatRequest(messages=messages, temperature=0.0)
    assert len({complete(cold.again(i), teacher()).text for i in range(5)}) == 1
    assert len({complete(cold.model_copy(update={"temperature": 1.0}).again(i), teacher()).text for i in range(5)}) > 1


def test_the_identity_holds_what_shapes_an_answer_and_nothing_else():
    plain = teacher().identity
    assert plain.startswith("simulated ")
    assert teacher().identity == plain
    assert teacher(latency_ms=5, rate_limit=0.1, server_error=0.1).identity == plain
    assert len({plain, teacher(1).identity, teacher(judge_error=0.1).identity}) == 3


def test_a_prompt_that_does_not_ask_for_json_gets_none():
    request = library().prompt("write_explicit_preference").render(**INPUTS["write_explicit_preference"])
    system, user = request.messages
    forgetful = system.model_copy(update={"content": system.content.replace('Answer with JSON: {"text": "..."}.', "")})
    answer = complete(ChatRequest(messages=(forgetful, user)), teacher()).text
    assert answer.startswith("text: ")


def test_a_key_that_the_prompt_does_not_name_is_not_in_the_answer():
    request = library().prompt("judge_pairwise").render(**INPUTS["judge_pairwise"])
    system, user = request.messages
    forgetful = system.model_copy(update={"content": system.content.replace('"reason": "...", ', "")})
    assert "reason" not in json.loads(complete(ChatRequest(messages=(forgetful, user)), teacher()).text)


def test_json_is_asked_for_in_a_chat_only_where_the_answer_is_meant():
    def reply(text: str) -> str:
        return complete(ChatRequest(messages=(Message(role="user", content=text),)), teacher()).text

    assert "answer" in json.loads(reply("Why is the sky blue? Answer in JSON."))
    assert not reply("How do I parse JSON with Python?").startswith("{")


def test_an_unknown_shape_is_answered_by_its_schema():
    schema = {
        "type": "object",
        "properties": {
            "stars": {"type": "integer", "minimum": 2},
            "mood": {"enum": ["calm"]},
            "why": {"$ref": "#/$defs/W"},
        },
        "$defs": {"W": {"type": "array", "items": {"type": "string"}}},
    }
    (instruction,) = library().prompt("answer_json").messages(schema=json.dumps(schema))
    messages = (instruction, Message(role="user", content="Rate the sky."))
    answer = json.loads(complete(ChatRequest(messages=messages), teacher()).text)
    assert (answer["stars"], answer["mood"], len(answer["why"])) == (2, "calm", 1)


def test_a_long_answer_is_cut_and_says_so():
    request = ChatRequest(messages=(Message(role="user", content="Why is the sky blue?"),), max_tokens=5)
    completion = complete(request, teacher())
    assert (completion.finish_reason, len(completion.text), completion.usage.completion_tokens) == ("length", 20, 5)
    assert completion.usage.prompt_tokens == 5


def test_a_longer_talk_answers_the_last_question():
    messages = [("user", "Why is the sky blue?"), ("assistant", "Air."), ("user", "How do I bake bread?")]
    request = ChatRequest(messages=tuple(Message(role=r, content=c) for r, c in messages))
    assert "bread" in complete(request, teacher()).text or "cooking" in complete(request, teacher()).text


@settings(max_examples=150, deadline=None)
@given(
    texts=st.lists(st.text(max_size=200), min_size=1, max_size=4),
    tags=st.lists(st.sampled_from(["query", "meaning", "contrast", "response_a", "response_b", "target", "speaker"])),
    frame=st.sampled_from(
        ["", "Answer with JSON", 'JSON Schema {"type": "array", "minItems": "x"}', '"stance"', "{", "<System Info>\n"]
    ),
)
def test_no_message_makes_it_fail(texts, tags, frame):
    tagged = "".join(f"<{tag}>{texts[i % len(texts)]}</{tag}>" for i, tag in enumerate(tags))
    messages = (Message(role="system", content=frame + texts[0]), Message(role="user", content=tagged + texts[-1]))
    complete(ChatRequest(messages=messages), teacher(wrong_answer=0.5))


@settings(max_examples=60, deadline=None)
@given(inputs=st.dictionaries(st.sampled_from(["query", "target", "system_info", "user_info"]), st.text(), min_size=1))
def test_any_input_gets_a_response(inputs):
    assert ask("generate_response", **{**INPUTS["generate_response"], **inputs})


def test_a_mistyped_fault_is_refused():
    with pytest.raises(ValidationError, match="jugde_error"):
        SimulatedTeacher.Config.model_validate({"faults": {"jugde_error": 0.1}})


def test_importing_it_reads_no_world():
    code = (
        "import sys; import metaalign_data.teacher.simulated as s; "
        "from metaalign_data.teacher.simulated.world import world; "
        "s.SimulatedTeacher(s.SimulatedTeacher.Config()).check(); "
        "assert world.cache_info().currsize == 0; "
        "assert not {'polars', 'openai', 'torch', 'datasets'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
