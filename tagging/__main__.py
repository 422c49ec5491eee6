"""`python -m tagging`."""

import sys

from tagging.cli import main
from tagging.commandline import know_all_names

know_all_names()
sys.exit(main())
