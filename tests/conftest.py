"""What all tests share: how hypothesis looks for examples.

`make test` looks at the same examples every time, so that a failure is the change's and comes back when looked for;
`--hypothesis-profile explore` looks at twenty times as many, others each time. No deadline: a busy machine is no
mistake of the code. What a user consents to is kept in a folder of the tests' own.
"""

import atexit
import os
import shutil
from tempfile import mkdtemp

from hypothesis import settings

os.environ["XDG_STATE_HOME"] = mkdtemp(prefix="swc-state-")  # also for the processes that tests start
atexit.register(shutil.rmtree, os.environ["XDG_STATE_HOME"], ignore_errors=True)

settings.register_profile("swc", derandomize=True, deadline=None)
settings.register_profile("explore", derandomize=False, deadline=None, max_examples=2000, print_blob=True)
settings.load_profile("swc")
