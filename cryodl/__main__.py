"""`python -m cryodl`: the same as the command `cryodl`."""

import sys

from cryodl.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
