"""What a teacher or judge is asked to answer with, where a prompt's `output` names it."""

from functools import cache
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, create_model

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Score = Annotated[int, Field(ge=1, le=10)]
Winner = Literal["a", "b", "tie"]


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
    winner: Winner


class RubricScore(Answer):
    """How far one response meets one criterion, from 1 to 5."""

    reason: Text
    score: Annotated[int, Field(ge=1, le=5)]


class ForcedChoice(Answer):
    """Which of two responses was the chosen one; there is no way not to choose."""

    reason: Text
    winner: Literal["a", "b"]


class CriterionScores(Answer):
    """Scores of both responses on one criterion."""

    name: str
    reason: Text
    score_a: Score
    score_b: Score


class RubricVerdict(Answer):
    """The same with a score for each criterion; `rubric_verdict` makes the model of one rubric."""

    criteria: tuple[CriterionScores, ...]
    winner: Winner


@cache
def rubric_verdict(names: tuple[str, ...]) -> type[RubricVerdict]:
    """A RubricVerdict that has to score each of these criteria once, in any order."""

    def complete(scores: tuple[CriterionScores, ...]) -> tuple[CriterionScores, ...]:
        if missing := [name for name in names if name not in {each.name for each in scores}]:
            raise ValueError(f"no scores for {', '.join(missing)}")
        return scores

    name: Any = Annotated[Literal[names], BeforeValidator(_as_name)]
    scores: Any = create_model("CriterionScores", __base__=CriterionScores, name=(name, ...))
    all_of_them = Annotated[
        tuple[scores, ...], Field(min_length=len(names), max_length=len(names)), AfterValidator(complete)
    ]
    made: type[RubricVerdict] = create_model("RubricVerdict", __base__=RubricVerdict, criteria=(all_of_them, ...))
    return made


def _as_name(written: object) -> object:
    """ "Following" for "following": a model spells names as it likes."""
    return written.strip().lower().replace(" ", "_") if isinstance(written, str) else written


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
        RubricScore,
        ForcedChoice,
    )
}
