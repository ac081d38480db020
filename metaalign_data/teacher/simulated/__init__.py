"""The simulated teacher: a deterministic stand-in for a model, in a small world whose truth is known.

It sees the messages and nothing else. What it knows stands in the YAML files beside this module; `truth.follows` says
how far any response follows a meta-prompt in that world, and `server.serve` puts the teacher behind HTTP.
"""

from metaalign_data.teacher.simulated.faults import Faults
from metaalign_data.teacher.simulated.teacher import SimulatedTeacher

__all__ = ["Faults", "SimulatedTeacher"]
