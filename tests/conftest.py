"""What all tests share: how hypothesis looks for examples.

`make test` looks at the same examples every time, so that a failure is the change's and comes back when looked for;
`--hypothesis-profile explore` looks at twenty times as many, others each time. No deadline: a busy machine is no
mistake of the code.
"""

from hypothesis import settings

settings.register_profile("swc", derandomize=True, deadline=None)
settings.register_profile("explore", derandomize=False, deadline=None, max_examples=2000, print_blob=True)
settings.load_profile("swc")
