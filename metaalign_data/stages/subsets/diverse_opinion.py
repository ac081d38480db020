"""Questions without a single right answer: the person's background decides."""

from random import Random

from metaalign_data.answers import OpinionQuestion, Persona
from metaalign_data.priorities import PriorityMatrix
from metaalign_data.records import Preference, Query, Scenario, Side


def scenario(query: Query, written: OpinionQuestion, matrix: PriorityMatrix, rng: Random, version: str) -> Scenario:
    """The same question by two people; neither says what they think, and each wants another answer."""
    system_info = rng.choice(matrix.neutral)

    def side(person: Persona) -> Side:
        background = Preference(text=person.background, kind="implicit", dimension=written.subject, value=person.stance)
        return Side(
            system_info=system_info,
            user_info=person.background,
            preference=background,
            target=person.answer,
            rejected_because="other_background",
        )

    return Scenario(
        subset="diverse_opinion",
        query=query,
        question=written.question,
        sides=(side(written.first), side(written.second)),
        prompt_versions=(version,),
    )
