"""How every test of the suite runs."""

from hypothesis import settings

# A slow machine is no failure of the code: speed is measured in benchmarks/, never by a test's deadline.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")
