"""`python -m metaalign_data` is `metaalign-data`."""

import sys

from metaalign_data.cli import main

sys.exit(main())
