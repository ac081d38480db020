"""Whether a dataset's licence allows what its sources ask for. A help to notice contradictions, not legal advice."""

import re
from collections.abc import Sequence
from typing import Literal

_HUB_NAMES = """
apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m bigscience-bloom-rail-1.0 bigcode-openrail-m
afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear c-uda cc cc0-1.0 cc-by-2.0 cc-by-2.5
cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0
cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-sharing-1.0 cdla-permissive-1.0
cdla-permissive-2.0 wtfpl ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2 agpl-3.0 gfdl gpl gpl-2.0 gpl-3.0
lgpl lgpl-2.1 lgpl-3.0 isc h-research intel-research lppl-1.3c ms-pl apple-ascl apple-amlr mpl-2.0 odc-by odbl
openmdw-1.0 openrail++ osl-3.0 postgresql ofl-1.1 ncsa unlicense zlib pddl lgpl-lr deepfloyd-if-license
fair-noncommercial-research-license llama2 llama3 llama3.1 llama3.2 llama3.3 llama4 grok2-community gemma unknown
"""
HUB_LICENCES = frozenset(_HUB_NAMES.split())
"""The names that the Hub takes as `license` of a card (huggingface.co/docs/hub/repositories-licenses), but for "other",
which says that the name stands in `license_name`.
"""

Restriction = Literal["non-commercial", "share-alike", "no derivatives"]

# Licences by the Hub's names, but for Creative Commons', which spell out what they ask for.
_SHARE_ALIKE = ("odbl", "gpl", "agpl", "lgpl", "gfdl", "cdla-sharing", "osl", "eupl", "mpl", "epl")
_FREE = (
    "apache", "mit", "bsd", "cc0", "cc-by", "odc-by", "pddl", "unlicense", "wtfpl", "isc", "zlib", "ms-pl", "afl",
    "artistic", "bsl", "cdla-permissive", "ecl", "ncsa", "postgresql", "0bsd",
)  # fmt: skip
_CREATIVE_COMMONS = re.compile(r"cc-by(-nc)?(-sa|-nd)?(?:-(\d+\.\d+))?(?:-[a-z]+)?")
_VERSION = re.compile(r"-?(\d+(?:\.\d+)*)(?:-[a-z]+)?$")


def hub_name(licence: str) -> str | None:
    """The Hub's name of a licence however it is written ("Apache-2.0", "CC BY 4.0"); None where it has none."""
    name = _spelled(licence)
    return name if name in HUB_LICENCES else None


def restrictions(licence: str) -> frozenset[Restriction] | None:
    """What a licence, by its name on the Hub, asks of works that are made from others; None where that is not known."""
    name = _spelled(licence)
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


def _spelled(licence: str) -> str:
    return "-".join(licence.lower().split())


def _family(licence: str) -> str:
    return _VERSION.sub("", _spelled(licence))


def _version(licence: str) -> tuple[int, ...]:
    found = _VERSION.search(_spelled(licence))
    return tuple(int(part) for part in found[1].split(".")) if found else ()
