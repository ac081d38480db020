"""What a teacher or judge is asked to answer with, where a prompt's `output` names it."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Score = Annotated[int, Field(ge=1, le=10)]


class Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class PreferenceText(Answer):
    text: Text


class Turn(Answer):
    user: Text
    assistant: Text


class Dialogue(Answer):
    """Earlier turns of a chat, the first ones first."""

    turns: Annotated[tuple[Turn, ...], Field(min_length=1, max_length=4)]


class SharedQuestion(Answer):
    question: Text
    consensus: Text
    personal_view: Text


class ConsensusQuestions(Answer):
    """Somebody whose background departs from what nearly everyone shares, and questions on which it does."""

    background: Text
    questions: Annotated[tuple[SharedQuestion, ...], Field(min_length=1, max_length=5)]


class Persona(Answer):
    background: Text
    stance: Text


class OpenQuestion(Answer):
    """An open question; `first` and `second` are what the two people would want to hear."""

    question: Text
    first: Text
    second: Text


class OpinionQuestions(Answer):
    """Two people whose backgrounds imply different answers to each of the questions."""

    subject: Text
    first: Persona
    second: Persona
    questions: Annotated[tuple[OpenQuestion, ...], Field(min_length=1, max_length=5)]


class Implicitness(Answer):
    """Whether a text states a preference in so many words."""

    reason: Text
    stated: bool


class Inference(Answer):
    """Which option, from 1, a text lets a reader infer; 0 for none."""

    reason: Text
    option: Annotated[int, Field(ge=0)]


class Explanation(Answer):
    """A preference under which a response is the better one: its value, what it asks an answer to do, its wording."""

    value: Text
    meaning: Text
    text: Text


class PairExplanation(Answer):
    """Contrasting preferences of one dimension: under `first` response A is the better one, under `second` B."""

    dimension: Text
    first: Explanation
    second: Explanation


class PairwiseVerdict(Answer):
    """Which of two responses follows the meta-prompt better; scores from 1 (not at all) to 10 (fully)."""

    reason: Text
    score_a: Score
    score_b: Score
    winner: Literal["a", "b", "tie"]


ANSWERS: dict[str, type[BaseModel]] = {
    model.__name__: model
    for model in (
        PreferenceText,
        Dialogue,
        ConsensusQuestions,
        OpinionQuestions,
        Implicitness,
        Inference,
        PairExplanation,
        PairwiseVerdict,
    )
}
