"""`python -m tagging`."""

import sys

from tagging.cli import main

sys.exit(main())
