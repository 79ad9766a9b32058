"""What all tests share: hypothesis without a clock and, unless asked to explore, with the same examples every time.

A busy machine is no mistake of the code, and a red test is to come from a change. `--hypothesis-profile explore` draws
other examples, and more of them.
"""

from hypothesis import settings

settings.register_profile("swc", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=500)
settings.load_profile("swc")
