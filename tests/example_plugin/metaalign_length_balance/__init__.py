"""A stage that takes away the easiest shortcut: pairs in which the chosen response is simply the longer one."""

from collections.abc import Sequence

from pydantic import BaseModel, Field

from metaalign_data import Context, PreferencePair, Reject


class BalanceLength:
    """Rejects a pair (`too_long`) whose chosen response has more than `max_ratio` times the characters of the other."""

    class Config(BaseModel, frozen=True, extra="forbid"):
        max_ratio: float = Field(default=2.0, gt=1.0)

    def __init__(self, config: Config) -> None:
        self.config = config

    async def process(self, row: PreferencePair, ctx: Context) -> Sequence[PreferencePair | Reject]:
        ratio = len(row.chosen[0].content) / max(1, len(row.rejected[0].content))
        return [row] if ratio <= self.config.max_ratio else [Reject("too_long", f"{ratio:.1f} times as long")]
