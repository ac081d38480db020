"""Near neighbours among unit vectors: all pairs above a cosine, clusters of them, and a cover."""

from metaalign_data.neighbours.clusters import clusters
from metaalign_data.neighbours.cover import BLOCK, Cover, Duplicate, greedy_cover
from metaalign_data.neighbours.pairs import pairs_above
from metaalign_data.neighbours.screen import TOLERANCE, Indices

__all__ = ["BLOCK", "TOLERANCE", "Cover", "Duplicate", "Indices", "clusters", "greedy_cover", "pairs_above"]
