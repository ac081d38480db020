"""What a teacher or judge is asked to answer with, where a prompt's `output` names it."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Score = Annotated[int, Field(ge=1, le=10)]


class Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class PreferenceText(Answer):
    text: Text


class ConsensusQuestion(Answer):
    """A question with one answer that nearly everyone shares, and somebody whose background departs from it."""

    question: Text
    consensus: Text
    background: Text
    personal_view: Text


class Persona(Answer):
    background: Text
    stance: Text
    answer: Text


class OpinionQuestion(Answer):
    """An open question and two people whose backgrounds imply different answers to it."""

    subject: Text
    question: Text
    first: Persona
    second: Persona


class PairwiseVerdict(Answer):
    """Which of two responses follows the meta-prompt better; scores from 1 (not at all) to 10 (fully)."""

    reason: Text
    score_a: Score
    score_b: Score
    winner: Literal["a", "b", "tie"]


ANSWERS: dict[str, type[BaseModel]] = {
    model.__name__: model for model in (PreferenceText, ConsensusQuestion, OpinionQuestion, PairwiseVerdict)
}
