"""Values that nearly everyone shares, against the background of somebody who sees it differently."""

from random import Random

from metaalign_data.answers import ConsensusQuestion
from metaalign_data.priorities import PriorityMatrix
from metaalign_data.records import Preference, Query, Scenario, Side

DIMENSION = "consensus"


def scenario(query: Query, written: ConsensusQuestion, matrix: PriorityMatrix, rng: Random, version: str) -> Scenario:
    """The same background on both sides; the System Info asks for the consensus first, then for the background."""
    consensus_first, background_first = rng.choice(matrix.consensus_first), rng.choice(matrix.background_first)
    shared = Preference(text=consensus_first, kind="explicit", dimension=DIMENSION, value="consensus")
    personal = Preference(text=written.background, kind="implicit", dimension=DIMENSION, value="background")
    return Scenario(
        subset="consensus",
        query=query,
        question=written.question,
        sides=(
            Side(
                system_info=consensus_first,
                user_info=written.background,
                preference=shared,
                target=written.consensus,
                rejected_because="against_consensus",
            ),
            Side(
                system_info=background_first,
                user_info=written.background,
                preference=personal,
                target=written.personal_view,
                rejected_because="contrasting_preference",
            ),
        ),
        prompt_versions=(version,),
    )
