"""Questions without a single right answer: the person's background decides."""

from metaalign_data.answers import OpinionQuestions, Persona
from metaalign_data.records import Preference, Query, Scenario, Side, digest


def scenario(query: Query, written: OpinionQuestions, number: int, frame: str, versions: tuple[str, ...]) -> Scenario:
    """The same question by two people; neither says what they think, and each wants another answer.

    `number` is that of the question among those that were written, from 0.
    """
    asked = written.questions[number % len(written.questions)]

    def side(person: Persona, answer: str) -> Side:
        return Side(
            system_info=frame,
            user_info=person.background,
            preference=Preference(
                text=person.background,
                kind="implicit",
                form="background",
                dimension=written.subject,
                value=person.stance,
            ),
            placement="user_info",
            target=answer,
            rejected_because="other_background",
            user=digest("persona", query.id, person.background),
        )

    return Scenario(
        subset="diverse_opinion",
        query=query,
        question=asked.question,
        sides=(side(written.first, asked.first), side(written.second, asked.second)),
        prompt_versions=versions,
    )
