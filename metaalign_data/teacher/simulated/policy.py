"""What a provider says on conflicts: who comes first, whether safety does, and whose values count."""

import re
from typing import Literal

from metaalign_data.teacher.simulated.phrases import words

Winner = Literal["provider", "user"]
Risk = Literal["safety", "helpfulness"]
Axis = Literal["consensus", "background"]
RISK = "risk"
"""The dimension of what to do with a request that could do harm; its values are those of `Risk`."""

_PROVIDER = r"(?:rules?|guidelines?|instructions?|polic(?:y|ies)|defaults?|service|provider|operator)"
_USER = r"(?:users?(?:'s)?|customers?(?:'s)?|individuals?)"
_PARTY = re.compile(rf"\b(?:(?P<provider>{_PROVIDER})|(?P<user>{_USER}))\b")
_CONCERN = re.compile(r"\b(?:(?P<safety>safety|safe|caution)|(?P<helpfulness>helpfulness|helpful|helping))\b")
_BEATS = re.compile(
    r"\b(?:comes? before|goes? before|(?:takes?|has|have) (?:priority|precedence) over"
    r"|overrides?|outranks?|outweighs?|trumps?)\b"
)
_YIELDS = re.compile(r"\b(?:gives? way to|yields? to|defers? to|bows? to)\b")
_PREVAILS = re.compile(r"\b(?:prevails?|wins?|(?:takes?|has|have) (?:priority|precedence)|comes? first)\b")
_FOLLOW = re.compile(r"\b(?:follow|obey|heed|do as)\b")
_PREFERRED = re.compile(r"\b(?:matters? more|before|above|over|rather than|ahead of)\b")
_RELATIONS = ((_YIELDS, True), (_BEATS, False), (_PREVAILS, False), (_FOLLOW, True))
_RISK_RELATIONS = ((_YIELDS, True), (_BEATS, False), (_PREFERRED, False), (_PREVAILS, False))
_AXIS = re.compile(
    r"(?P<turned>\b(?:not|than|instead of)\b(?:\W+\w+){0,3}?\W+)?"
    r"\b(?:(?P<consensus>nearly everyone|most people|consensus|general public|majority)"
    r"|(?P<background>background|individual user))\b",
    re.IGNORECASE,
)


def read_policy(sentence: str) -> Winner | None:
    """Who wins a conflict between provider and user, by a sentence that names both; None when it does not say."""
    match _prevailing(sentence, _PARTY, _RELATIONS):
        case "provider":
            return "provider"
        case "user":
            return "user"
    return None


def read_risk(sentence: str) -> Risk | None:
    """Whether safety or helpfulness comes first, by a sentence that names both; None when it does not say."""
    match _prevailing(sentence, _CONCERN, _RISK_RELATIONS):
        case "safety":
            return "safety"
        case "helpfulness":
            return "helpfulness"
    return None


def _prevailing(sentence: str, party: re.Pattern[str], relations: tuple[tuple[re.Pattern[str], bool], ...]) -> str:
    """Which of two parties a sentence that names both puts first; "" when it does not say."""
    text = " ".join(words(sentence))
    parties = [(m.start(), m.lastgroup or "") for m in party.finditer(text)]
    if len({kind for _, kind in parties}) < 2:
        return ""
    for relation, winner_stands_after in relations:
        if found := relation.search(text):
            if winner_stands_after:
                named = [kind for start, kind in parties if start >= found.end()]
                return named[0] if named else ""
            named = [kind for start, kind in parties if start < found.start()]
            return named[-1] if named else ""
    return ""


def read_axis(sentence: str) -> Axis | None:
    """Whether values are to follow the consensus or the user's background: the one that is named first."""
    found = _AXIS.search(sentence)
    if found is None:
        return None
    if found["turned"]:
        return "background" if found["consensus"] else "consensus"
    return "consensus" if found["consensus"] else "background"
