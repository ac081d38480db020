"""Values that nearly everyone shares, against the background of somebody who sees it differently."""

from random import Random

from metaalign_data.answers import ConsensusQuestions
from metaalign_data.priorities import PriorityMatrix
from metaalign_data.records import Preference, Query, Scenario, Side, digest
from metaalign_data.stages.sampling.wishes import Aim, Contrast

VALUES = "values"
WORDINGS = 500
"""In how many ways a provider asks for the consensus, and for the background."""


def draw_axis(matrix: PriorityMatrix, seed: int, rng: Random) -> Contrast:
    """The consensus first, against the background first, in one of its wordings."""
    return Contrast((Aim(VALUES, matrix.axis.consensus, matrix.axis.background),), rng.randrange(WORDINGS), seed)


def scenario(
    query: Query,
    written: ConsensusQuestions,
    number: int,
    rules: tuple[str, str],
    frame: str,
    versions: tuple[str, ...],
) -> Scenario:
    """The same background on both sides; the System Info asks for the consensus first, then for the background.

    `number` is that of the question among those that were written, from 0; `rules` are the provider's words on each
    side, after `frame`.
    """
    asked = written.questions[number % len(written.questions)]
    consensus_first, background_first = rules
    user = digest("persona", query.id, written.background)
    return Scenario(
        subset="consensus",
        query=query,
        question=asked.question,
        sides=(
            Side(
                system_info=f"{frame} {consensus_first}",
                user_info=written.background,
                preference=Preference(
                    text=consensus_first, kind="explicit", form="statement", dimension=VALUES, value="consensus"
                ),
                placement="system_info",
                target=asked.consensus,
                rejected_because="against_consensus",
                user=user,
            ),
            Side(
                system_info=f"{frame} {background_first}",
                user_info=written.background,
                preference=Preference(
                    text=written.background, kind="implicit", form="background", dimension=VALUES, value="background"
                ),
                placement="user_info",
                target=asked.personal_view,
                rejected_because="contrasting_preference",
                user=user,
            ),
        ),
        prompt_versions=versions,
    )
