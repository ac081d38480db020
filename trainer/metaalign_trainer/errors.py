"""Errors, all of them.

TrainerError          something that a person can mend: what is wrong, where, and what to do
├── ConfigError       every mistake of one configuration, one a line
├── DataError         rows that cannot be learnt from
└── Diverged          a loss or gradient that is no number
"""


class TrainerError(Exception):
    """Root of every error that this package raises on purpose."""


class ConfigError(TrainerError):
    """A configuration that cannot be followed."""


class DataError(TrainerError):
    """Rows that cannot be learnt from."""


class Diverged(TrainerError):
    """Training ran into a loss or a gradient that is not finite."""
