"""Whether a dataset's licence allows what its sources ask for. A help to notice contradictions, not legal advice."""

import re
from collections.abc import Sequence
from typing import Literal

Restriction = Literal["non-commercial", "share-alike", "no derivatives"]

# Licences by the Hub's names, but for Creative Commons', which spell out what they ask for.
_SHARE_ALIKE = ("odbl", "gpl", "agpl", "lgpl", "gfdl", "cdla-sharing", "osl", "eupl", "mpl", "epl")
_FREE = (
    "apache", "mit", "bsd", "cc0", "cc-by", "odc-by", "pddl", "unlicense", "wtfpl", "isc", "zlib", "ms-pl", "afl",
    "artistic", "bsl", "cdla-permissive", "ecl", "ncsa", "postgresql", "0bsd",
)  # fmt: skip
_CREATIVE_COMMONS = re.compile(r"cc-by(-nc)?(-sa|-nd)?(?:-(\d+\.\d+))?(?:-[a-z]+)?")
_VERSION = re.compile(r"-?(\d+(?:\.\d+)*)(?:-[a-z]+)?$")


def restrictions(licence: str) -> frozenset[Restriction] | None:
    """What a licence, by its name on the Hub, asks of works that are made from others; None where that is not known."""
    name = licence.strip().lower()
    if found := _CREATIVE_COMMONS.fullmatch(name):
        asked: dict[Restriction, bool] = {
            "non-commercial": bool(found[1]),
            "share-alike": found[2] == "-sa",
            "no derivatives": found[2] == "-nd",
        }
        return frozenset(restriction for restriction, holds in asked.items() if holds)
    family = _family(name)
    if family in _SHARE_ALIKE:
        return frozenset({"share-alike"})
    return frozenset() if family in _FREE else None


def contradictions(licence: str | None, sources: Sequence[str]) -> list[str]:
    """Why a dataset under `licence` may not hold what is under those of its sources, one sentence each."""
    told = []
    ours = restrictions(licence) if licence else None
    for source in dict.fromkeys(sources):
        asked = restrictions(source) or frozenset()
        if "no derivatives" in asked:
            told.append(f"its source is under {source}, which allows no derived works")
        elif ours is None:
            continue
        elif "non-commercial" in asked and "non-commercial" not in ours:
            told.append(f"its source is under {source}, which rules out commercial use; {licence} allows it")
        elif "share-alike" in asked and not _same_terms(str(licence), source):
            told.append(f"its source is under {source}, which asks for the same licence; it is {licence}")
    return told


def doubts(licence: str | None, sources: Sequence[str]) -> list[str]:
    """What of the licences cannot be compared."""
    if licence is None:
        return ["the dataset names no licence (dataset.license), so nobody may use it without asking"]
    unknown = [name for name in dict.fromkeys((licence, *sources)) if restrictions(name) is None]
    return [f"what the licence '{name}' asks for is not known here: compare it yourself" for name in unknown]


def _same_terms(licence: str, source: str) -> bool:
    """Share-alike lets works go on under the same licence or a later version of it."""
    return _family(licence) == _family(source) and _version(licence) >= _version(source)


def _family(licence: str) -> str:
    return _VERSION.sub("", licence.strip().lower())


def _version(licence: str) -> tuple[int, ...]:
    found = _VERSION.search(licence.strip().lower())
    return tuple(int(part) for part in found[1].split(".")) if found else ()
