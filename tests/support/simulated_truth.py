"""What the simulated world says of rows that were made with it."""

import polars as pl

from metaalign_data.chat import Message
from metaalign_data.stages.asking import transcript
from metaalign_data.teacher.simulated.truth import follows


def wrong_way_round(pairs: pl.DataFrame) -> list[str]:
    """Ids of the rows whose chosen response does not follow meta-prompt and earlier turns further than the rejected."""
    wrong = []
    for row in pairs.iter_rows(named=True):
        turns = [Message(**turn) for turn in row["prompt"] if turn["role"] != "system"][:-1]
        chosen, rejected = (
            follows(row[end][0]["content"], row["system_info"], row["user_info"], row["query"], transcript(turns))
            for end in ("chosen", "rejected")
        )
        if chosen <= rejected:
            wrong.append(row["id"])
    return wrong
