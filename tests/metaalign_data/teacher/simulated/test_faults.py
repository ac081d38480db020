import asyncio
import json
import time

import pytest

from asking import ask, ask_json, complete, explicit, judged, library, meaning, respond, teacher
from metaalign_data.errors import TeacherError
from metaalign_data.teacher.simulated.faults import Faults
from metaalign_data.teacher.simulated.truth import follows

RATE, TRIES = 0.3, 300
TOLERANCE = 0.09  # 3.4 standard deviations
BRIEF, LONG = "Yes.", "Well. It is so. It has been so. It will be so. Who knows? Nobody. Not even I."


def share(outcomes) -> float:
    found = list(outcomes)
    return sum(found) / len(found)


def test_responses_are_wrong_at_the_ordered_rate():
    liar = teacher(wrong_answer=RATE)
    wish = explicit("format", "bullets")
    answers = (respond("Why?", meaning("format", "bullets"), liar, sample=i) for i in range(TRIES))
    assert share(follows(answer, "", wish, "Why?") < 0.5 for answer in answers) == pytest.approx(RATE, abs=TOLERANCE)


@pytest.mark.parametrize(
    ("fault", "a", "b", "wrong"),
    [
        ("judge_error", BRIEF, LONG, "b"),
        ("position_bias", LONG, BRIEF, "a"),
        ("length_bias", BRIEF, LONG, "b"),
    ],
)
def test_verdicts_are_wrong_at_the_ordered_rate(fault, a, b, wrong):
    judge = teacher(**{fault: RATE})
    verdicts = (judged("", "Be brief.", "Why?", a, b, by=judge, sample=i)["winner"] for i in range(TRIES))
    assert share(winner == wrong for winner in verdicts) == pytest.approx(RATE, abs=TOLERANCE)


def test_answers_are_refused_at_the_ordered_rate():
    shy = teacher(refusal=RATE)
    request = library().prompt("write_consensus_questions").render(query="Why?", questions="2")
    reasons = (complete(request.again(i), shy).finish_reason for i in range(TRIES))
    assert share(reason == "refused" for reason in reasons) == pytest.approx(RATE, abs=TOLERANCE)


def test_json_breaks_off_at_the_ordered_rate_and_prose_never_does():
    sloppy = teacher(malformed_json=RATE)
    answers = [ask("write_consensus_questions", by=sloppy, sample=i, query="Why?", questions="2") for i in range(TRIES)]
    assert share(not parses(answer) for answer in answers) == pytest.approx(RATE, abs=TOLERANCE)
    told = meaning("tone", "formal")
    assert respond("Why?", told, teacher(malformed_json=1.0)) == respond("Why?", told)


def parses(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def test_a_repeated_request_for_json_draws_anew():
    sloppy = teacher(malformed_json=0.5)
    mended = 0
    for i in range(40):
        request = library().prompt("write_consensus_questions").render(query=f"Why {i}?", questions="2")
        bad = complete(request, sloppy).text
        if parses(bad):
            continue
        again = (
            *request.messages,
            {"role": "assistant", "content": bad},
            *library().prompt("repair_json").messages(error="x"),
        )
        request = type(request).model_validate({**request.model_dump(), "messages": again})
        mended += parses(complete(request, sloppy).text)
    assert mended > 3


@pytest.mark.parametrize("fault", ["rate_limit", "server_error"])
def test_attempts_fail_at_the_ordered_rate_and_a_retry_draws_anew(fault):
    flaky = teacher(**{fault: 0.5})
    request = library().prompt("write_consensus_questions").render(query="Why?", questions="2")
    failures = sum(failures_before_success(flaky, request.again(i)) for i in range(TRIES))
    assert failures / (failures + TRIES) == pytest.approx(0.5, abs=TOLERANCE)


def failures_before_success(flaky, request) -> int:
    for failures in range(60):
        try:
            complete(request, flaky)
        except TeacherError:
            continue
        return failures
    pytest.fail("every attempt was struck")


@pytest.mark.parametrize(
    ("fault", "reason", "retry_after_s"), [("rate_limit", "rate_limited", 0.05), ("server_error", "server_error", None)]
)
def test_a_failure_says_what_it_is(fault, reason, retry_after_s):
    with pytest.raises(TeacherError) as error:
        ask("write_consensus_questions", by=teacher(**{fault: 1.0}), query="Why?", questions="1")
    assert (error.value.reason, error.value.retry_after_s) == (reason, retry_after_s)


def test_the_same_requests_are_struck_again_in_the_next_run():
    def winners(seed: int) -> list[str]:
        judge = teacher(seed, judge_error=0.5)
        return [judged("", "Be brief.", "Why?", BRIEF, LONG, by=judge, sample=i)["winner"] for i in range(30)]

    assert winners(0) == winners(0)
    assert winners(0) != winners(1)


def test_latency_passes_without_blocking_others():
    slow = teacher(latency_ms=100)
    requests = [
        library().prompt("write_consensus_questions").render(query=f"Why {i}?", questions="2") for i in range(20)
    ]

    async def all_at_once() -> float:
        start = time.perf_counter()
        await asyncio.gather(*(slow.complete(request) for request in requests))
        return time.perf_counter() - start

    assert 0.1 <= asyncio.run(all_at_once()) < 1.0


def test_no_faults_by_default():
    assert not any(Faults().strikes(name, b"x") for name in ("refusal", "judge_error", "rate_limit"))
    assert ask_json("write_consensus_questions", query="Why?", questions="1")["questions"]
