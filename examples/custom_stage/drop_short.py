"""A stage of your own: pairs whose chosen response is too short to teach anything are left out."""

from collections.abc import Sequence

from pydantic import BaseModel

from metaalign_data import Context, PreferencePair, Reject


class DropShort:
    class Config(BaseModel, frozen=True, extra="forbid"):
        min_chars: int = 20

    def __init__(self, config: Config) -> None:
        self.config = config

    async def process(self, row: PreferencePair, ctx: Context) -> Sequence[PreferencePair | Reject]:
        n = len(row.chosen[0].content)
        return [row] if n >= self.config.min_chars else [Reject("too_short", f"{n} characters")]
