"""What a description of a preference comes to in the simulated world."""

import re
from dataclasses import dataclass

from metaalign_data.teacher.simulated.phrases import decapitalised, remembered
from metaalign_data.teacher.simulated.policy import Axis, read_axis
from metaalign_data.teacher.simulated.read import READ_CHARS, read_wishes, stance_stated
from metaalign_data.teacher.simulated.world import Value, Want, world

_JOINED = re.compile(r"\s*\+\s*")


@dataclass(frozen=True, slots=True)
class Meaning:
    """Values that an answer is to have, or whose word counts on questions of value, or a view that it is to state.

    With none of them, nothing but `words`: the description as the end of a sentence.
    """

    wants: tuple[Want, ...] = ()
    axis: Axis | None = None
    view: Want | None = None
    words: str = ""

    @property
    def values(self) -> tuple[Value, ...]:
        return tuple(world().dimension[want.dimension].value(want.value) for want in self.wants)


@remembered(READ_CHARS)
def meaning_of(dimension: str, value: str, meaning: str) -> Meaning:
    """By what the meaning says, else by names, which " + " joins where several wishes are meant at once."""
    words = decapitalised(meaning.strip().rstrip(".")) or "answer as you see fit"
    view = stance_stated(meaning)
    if view:
        return Meaning(view=view, words=words)
    names = [Want(*pair) for pair in zip(_JOINED.split(dimension), _JOINED.split(value), strict=False)]
    read = [Want(*pair) for pair in read_wishes(meaning).values.items() if pair[0] in world().dimension]
    meant = read if len(read) >= len(names) else [want for want in names if _is_known(want)]
    if meant:
        meant.sort(key=lambda want: names.index(want) if want in names else len(names))
        return Meaning(tuple(meant), words=words)
    return Meaning(axis=read_axis(meaning), words=words)


def _is_known(want: Want) -> bool:
    found = world().dimension.get(want.dimension)
    return found is not None and want.value in {value.name for value in found.values}
