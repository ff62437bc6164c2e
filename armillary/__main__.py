"""``python -m armillary`` is the ``armillary`` command."""

import sys

from armillary.apps.cli import main

if __name__ == "__main__":
    sys.exit(main())
