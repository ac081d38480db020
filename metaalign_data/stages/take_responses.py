"""Responses that are there already: only to be judged and paired, under the meta-prompt that comes with them."""

from collections.abc import Sequence

from metaalign_data.records import AnsweredQuery, Preference, Response, ResponseSet, Scenario, Side
from metaalign_data.stage import Context, Reject

GIVEN = "given"


class TakeResponses:
    """Puts a query's own responses under its own meta-prompt; nobody knows which of them is to win.

    Rejects with "no_meta_prompt" a row that has neither System Info nor User Info.
    """

    async def process(self, row: AnsweredQuery, ctx: Context) -> Sequence[ResponseSet | Reject]:
        told = [text for text in (row.system_info, row.user_info) if text]
        if not told:
            return [Reject("no_meta_prompt", "neither System Info nor User Info: nothing says what is to win")]
        side = Side(
            system_info=row.system_info,
            user_info=row.user_info,
            preference=Preference(text=told[-1], kind="explicit", form="statement", dimension=GIVEN, value=GIVEN),
            placement="both" if len(told) == 2 else "user_info" if row.user_info else "system_info",
            target=told[-1],
            rejected_because="judged_worse",
        )
        responses = tuple(Response(side=None, source="given", text=text, model=row.model) for text in row.responses)
        scenario = Scenario(subset="helpful", query=row.query, question=row.query.text, sides=(side,))
        return [ResponseSet(scenario=scenario, responses=responses)]
