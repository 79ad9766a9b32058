"""What all tests share: hypothesis without a clock, since a busy machine is no mistake of the code."""

from hypothesis import settings

settings.register_profile("swc", deadline=None)
settings.load_profile("swc")
