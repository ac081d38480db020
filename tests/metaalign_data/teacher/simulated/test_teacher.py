import asyncio
import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from asking import ask, complete, library, teacher
from metaalign_data.chat import ChatRequest, Message
from metaalign_data.teacher.base import Client
from metaalign_data.teacher.simulated import SimulatedTeacher
from metaalign_data.teacher.simulated.truth import follows, measured
from metaalign_data.teacher.simulated.world import world

CELL = {"dimension": "tone", "value": "formal", "meaning": "Use a formal tone.", "style": "friendly"}
INFOS = {"system_info": "", "user_info": "", "history": ""}
MET = {"system_info": "", "user_info": ""}
IMPLIED = {"contrast": "Use a relaxed tone.", **CELL}
PAIR = {"query": "Why?", "response_a": "x", "response_b": "y"}
INPUTS = {
    "write_explicit_preference": {"speaker": "user", **CELL},
    "write_background": IMPLIED,
    "write_writing_sample": IMPLIED,
    "write_dialogue": IMPLIED,
    "write_small_talk": {"style": "friendly"},
    "write_consensus_questions": {"query": "How do I bake bread?", "questions": "2"},
    "write_opinion_questions": {"query": "How do I bake bread?", "questions": "2"},
    "check_implicitness": {"text": "I am a nurse.", "meaning": "Use a formal tone."},
    "infer_preference": {"text": "I am a nurse.", "options": "1. Use a formal tone.\n2. Use a relaxed tone."},
    "explain_pair": {"speaker": "user", "style": "friendly", **PAIR},
    "generate_response": {"query": "Why?", "target": "Be brief.", **INFOS},
    "generate_generic_response": {"query": "Why?"},
    "generate_heedless_response": {"query": "Why?", **INFOS},
    "follow_meta_prompt": {"query": "Why?", **INFOS},
    "judge_without_context": PAIR,
    "judge_rubric": {"query": "Why?", "reference": "", "response": "x", "criterion": "Is it brief?", **MET},
    "judge_pairwise": {"criteria": "", **PAIR, **INFOS},
}
NO_TASKS = {"answer_json", "meta_prompt", "repair_json"}
"""Prompts that shape another one."""


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


def test_every_prompt_is_tried_here():
    assert set(INPUTS) == set(library().names) - NO_TASKS


def test_a_heedless_response_ignores_the_meta_prompt_and_one_that_follows_does_not():
    infos = {"system_info": "Use bullet points.", "user_info": "End with a question back.", "history": ""}
    asked = {"query": "How do I bake bread?", **infos}
    query = asked["query"]
    followed = ask("follow_meta_prompt", **asked)
    assert follows(followed, "Use bullet points.", "End with a question back.", query) == 1.0
    for i in range(10):
        heedless = ask("generate_heedless_response", sample=i, **asked)
        assert follows(heedless, "Use bullet points.", "End with a question back.", query) < 0.5, heedless


def test_a_weaker_model_follows_less_often():
    infos = {"system_info": "Use bullet points.", "user_info": "", "history": ""}
    weak = teacher(wrong_answer=0.5)
    texts = [ask("follow_meta_prompt", by=weak, sample=i, query="Why?", **infos) for i in range(100)]
    assert 30 < sum("- " in text for text in texts) < 70


def test_a_generic_response_shows_what_nobody_asked_for():
    texts = [ask("generate_generic_response", sample=i, query="How do I bake bread?") for i in range(20)]
    assert len(set(texts)) > 10
    marked = [value for dimension in world().dimensions for value in dimension.values if value.measure == "marks"]
    for text in texts:
        assert not [value.name for value in marked if measured(text).has_any(value.evidence)], text


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
    tags=st.lists(
        st.sampled_from(
            [
                "query",
                "meaning",
                "contrast",
                "response_a",
                "response_b",
                "target",
                "speaker",
                "text",
                "options",
                "history",
                "questions",
            ]
        )
    ),
    frame=st.sampled_from(
        [
            "",
            "Answer with JSON",
            'JSON Schema {"type": "array", "minItems": "x"}',
            '"stance"',
            '"turns"',
            '"first"',
            "{",
            "<System Info>\n",
        ]
    ),
)
def test_no_message_makes_it_fail(texts, tags, frame):
    tagged = "".join(f"<{tag}>{texts[i % len(texts)]}</{tag}>" for i, tag in enumerate(tags))
    messages = (Message(role="system", content=frame + texts[0]), Message(role="user", content=tagged + texts[-1]))
    complete(ChatRequest(messages=messages), teacher(wrong_answer=0.5))


@settings(max_examples=60, deadline=None)
@given(
    inputs=st.dictionaries(
        st.sampled_from(["query", "target", "history", "system_info", "user_info"]), st.text(), min_size=1
    )
)
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
