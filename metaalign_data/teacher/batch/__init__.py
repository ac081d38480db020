"""Asking by batches: the same requests, cheaper and within a day, and none of them paid twice."""

from metaalign_data.teacher.batch.adopted import Adopted
from metaalign_data.teacher.batch.base import Batching
from metaalign_data.teacher.batch.batched import Batched

__all__ = ["Adopted", "Batched", "Batching"]
