"""Preference pairs for tests of what comes after judging."""

from typing import Any

from metaalign_data.chat import Message
from metaalign_data.records import PreferencePair


def pair(**fields: Any) -> PreferencePair:
    """A pair of the subset "helpful". `chosen` and `rejected` may be plain texts; ids follow from the texts."""
    query, user_info = fields.get("query", "How?"), fields.get("user_info", "I like it short.")
    given: dict[str, Any] = {
        "prompt": [Message(role="system", content=f"<User Info>\n{user_info}"), Message(role="user", content=query)],
        "chosen": "Like this.",
        "rejected": "There are many ways.",
        "subset": "helpful",
        "system_info": "",
        "user_info": user_info,
        "query": query,
        "query_id": f"q-{query}",
        "preference": user_info,
        "preference_id": f"p-{user_info}",
        "preference_kind": "explicit",
        "preference_form": "statement",
        "placement": "user_info",
        "dimension": "length",
        "value": "brief",
        "rejected_because": "contrasting_preference",
        "chosen_score": 9.0,
        "rejected_score": 2.0,
        "margin": 7.0,
        "agreement": 1.0,
        "votes": 2,
        "chosen_model": "m",
        "rejected_model": "m",
        "judge_model": "j",
        "flip_id": None,
        "twin_id": None,
        "user_id": None,
        "matrix_cell": None,
        "harmful": False,
        "prompt_versions": ["judge_pairwise@1"],
        "judgement_id": f"j-{query}-{user_info}",
    }
    given |= fields
    for side in ("chosen", "rejected"):
        if isinstance(given[side], str):
            given[side] = [Message(role="assistant", content=given[side])]
    return PreferencePair(**given)


def flip(first: str, second: str, flip_id: str, **fields: Any) -> list[PreferencePair]:
    """Two pairs that hold the same two responses in opposite order."""
    same = {"flip_id": flip_id, "judgement_id": f"j-{flip_id}", **fields}
    return [
        pair(chosen=first, rejected=second, user_info=f"wants {first}", **same),
        pair(chosen=second, rejected=first, user_info=f"wants {second}", **same),
    ]
