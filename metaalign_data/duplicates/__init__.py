"""Which rows go, and which kept row each of them duplicates: one pass in a given order, the cheapest rule first.

A row is dropped if and only if one of the rules finds it near a row that was kept before it. So, whatever the rules are
and whatever they cost, each dropped row is near the kept row that it names, and no two kept rows are near each other
(as far as a rule finds what is near: `exact` and `semantic` find all, `lexical` misses a few). What a cheap rule has
dropped never reaches a costly one.
"""

from metaalign_data.duplicates.exact import Exact
from metaalign_data.duplicates.greedy import CheapRule, Found, Rule, RuleName, cover
from metaalign_data.duplicates.lexical import Lexical
from metaalign_data.duplicates.semantic import Semantic

__all__ = ["CheapRule", "Exact", "Found", "Lexical", "Rule", "RuleName", "Semantic", "cover"]
