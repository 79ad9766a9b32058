"""Measurements: ratios of two things timed by turns in one run, and what the compiler's own passes cost."""
