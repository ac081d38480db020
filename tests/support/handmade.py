"""Rows of every kind up to judging, made by hand, and a teacher that says what it is told."""

from collections.abc import Callable, Sequence
from typing import Literal

from metaalign_data.chat import ChatRequest, Completion
from metaalign_data.records import Comparison, Judgement, Preference, Query, Response, ResponseSet, Scenario, Side, Vote
from teachers import Telling, answer

Winner = Literal["a", "b", "tie"]


def query(text: str = "How do I boil an egg?", key: str = "q1") -> Query:
    return Query(key=key, text=text, source="test")


def side(n: int, user_info: str | None = None, system_info: str = "You are an AI assistant.") -> Side:
    value = ("brief", "thorough")[n]
    text = f"I like {value} answers."
    return Side(
        system_info=system_info,
        user_info=text if user_info is None else user_info,
        preference=Preference(text=text, kind="explicit", form="statement", dimension="length", value=value),
        placement="user_info",
        target=f"SECRET TARGET {n}",
        rejected_because="contrasting_preference",
    )


def twin(n: int) -> Side:
    """The side's wish, implied."""
    stated = side(n)
    text = ("I read this on the tram.", "I have all winter to read.")[n]
    implied = stated.preference.model_copy(update={"text": text, "kind": "implicit", "form": "background"})
    return stated.model_copy(update={"user_info": text, "preference": implied})


def scenario(key: str = "q1", sides: tuple[Side, ...] | None = None, twins: tuple[Side, ...] = ()) -> Scenario:
    return Scenario(
        subset="helpful",
        query=query(key=key),
        question=query().text,
        sides=sides or (side(0), side(1)),
        twins=twins,
        prompt_versions=("write_explicit_preference@1",),
    )


def responses(
    first: Sequence[str] = ("Short.",), second: Sequence[str] = ("Long, very.",), key: str = "q1"
) -> ResponseSet:
    """Responses for side 0, then those for side 1."""
    made = [Response(side=n, text=text, model=f"m{n}") for n, texts in enumerate((first, second)) for text in texts]
    return ResponseSet(scenario=scenario(key), responses=tuple(made), prompt_versions=("generate_response@1",))


def vote(winner: Winner, margin: float = 4.0, model: str = "j") -> Vote:
    """Scores 5 and 5 + margin, in favour of the winner."""
    scores = {"a": (5.0 + margin, 5.0), "b": (5.0, 5.0 + margin), "tie": (5.0, 5.0)}[winner]
    return Vote(winner=winner, score_a=scores[0], score_b=scores[1], swapped=False, reason="r", model=model)


def compared(side: int, winner: Winner, margin: float = 4.0, a: int = 0, b: int = 1) -> Comparison:
    """What two votes say of response `a`, written for side 0, and `b`, written for side 1, under one of the sides."""
    if side % 2:  # the side's own response stands first in a comparison
        a, b = b, a
        mirrored: dict[Winner, Winner] = {"a": "b", "b": "a", "tie": "tie"}
        winner = mirrored[winner]
    return Comparison(side=side, a=a, b=b, votes=(vote(winner, margin), vote(winner, margin)), winner=winner)


def judgement(*comparisons: Comparison, of: ResponseSet | None = None) -> Judgement:
    return Judgement(responses=of or responses(), comparisons=comparisons, prompt_versions=("judge_pairwise@1",))


def saying(text: Callable[[ChatRequest], str] | str) -> Telling:
    """A teacher that answers with this text, or with what the function makes of the request."""

    def by(request: ChatRequest) -> Completion:
        return answer(text if isinstance(text, str) else text(request))

    return Telling(by=by)
