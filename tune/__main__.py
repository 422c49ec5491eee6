"""`python -m tune`."""

import sys

from tagging.commandline import know_all_names
from tune.cli import main

know_all_names()
sys.exit(main())
