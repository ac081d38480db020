import pytest

from asking import QUERIES, ask_json, respond
from metaalign_data.answers import ConsensusQuestions, OpinionQuestions
from metaalign_data.teacher.simulated.read import stance_asked
from metaalign_data.teacher.simulated.truth import follows

ASKED = [(query, i) for query in (*QUERIES, "How do I bake bread?", "") for i in range(4)]
CONSENSUS_FIRST = "Answer in line with what nearly everyone agrees on."


def consensus(query: str, questions: int = 3, sample: int = 0) -> ConsensusQuestions:
    answer = ask_json("write_consensus_questions", sample=sample, query=query, questions=str(questions))
    return ConsensusQuestions.model_validate(answer)


def opinion(query: str, questions: int = 3, sample: int = 0) -> OpinionQuestions:
    answer = ask_json("write_opinion_questions", sample=sample, query=query, questions=str(questions))
    return OpinionQuestions.model_validate(answer)


@pytest.mark.parametrize(("query", "sample"), ASKED)
def test_one_background_leads_to_another_answer_than_the_consensus_on_each_question(query, sample):
    written = consensus(query, sample=sample)
    assert len({asked.question for asked in written.questions}) == 3
    for asked in written.questions:
        shared, personal = respond(asked.question, asked.consensus), respond(asked.question, asked.personal_view)
        for system_info, own, contrary in ((CONSENSUS_FIRST, shared, personal), ("", personal, shared)):
            infos = (system_info, written.background, asked.question)
            assert follows(own, *infos) > 0.9, (written.background, asked)
            assert follows(contrary, *infos) < 0.1, (written.background, asked)


@pytest.mark.parametrize(("query", "sample"), ASKED)
def test_two_people_want_different_answers_to_each_question(query, sample):
    written = opinion(query, sample=sample)
    assert len({asked.question for asked in written.questions}) == 3
    assert written.first.stance != written.second.stance
    for asked in written.questions:
        first, second = respond(asked.question, asked.first), respond(asked.question, asked.second)
        for told, own, contrary in ((written.first, first, second), (written.second, second, first)):
            assert follows(own, "", told.background, asked.question) > 0.9, (told, asked)
            assert follows(contrary, "", told.background, asked.question) < 0.1, (told, asked)


@pytest.mark.parametrize("query", ["How do I bake bread?", "Fix the toaster oven."])
def test_questions_are_on_the_subject_of_the_query(query):
    for asked in (*consensus(query).questions, *opinion(query).questions):
        assert asked.question.endswith("?")
        assert stance_asked(asked.question).name.partition("/")[0] == ("cooking" if "bread" in query else "generic")
    assert 1 <= len(opinion(query).subject.split()) <= 3


@pytest.mark.parametrize(("asked_for", "given"), [(1, 1), (2, 2), (3, 3), (0, 1), (99, 3)])
def test_as_many_questions_come_as_are_asked_for_and_known(asked_for, given):
    assert len(consensus("Why?", asked_for).questions) == len(opinion("Why?", asked_for).questions) == given


def test_backgrounds_differ_from_one_time_to_the_next():
    assert len({consensus("How do I bake bread?", sample=i).background for i in range(100)}) > 95
    assert len({opinion("How do I bake bread?", sample=i).first.background for i in range(100)}) > 95


def test_neither_person_is_always_the_first():
    assert len({opinion("How do I bake bread?", sample=i).first.stance for i in range(20)}) == 2
