"""``python -m gluon_initkit``."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
