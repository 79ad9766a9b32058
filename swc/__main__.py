"""`python -m swc`."""

import os
import sys

# Python puts the current folder first, and a `numpy.py` in it would take the place of the library
if not sys.flags.safe_path and sys.path and os.path.realpath(sys.path[0] or ".") == os.path.realpath("."):
    del sys.path[0]

from swc.cli.main import main

main()
