"""How every test of the suite runs."""

import os

# Two test processes share the cores: threads of torch that wait for each other would take more time than they give.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from hypothesis import settings

# A slow machine is no failure of the code: speed is measured in benchmarks/, never by a test's deadline.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")
