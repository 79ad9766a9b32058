"""Whose code runs: the code that members name, the user's consent to it, and its import.

See `docs/explanation/trust.md` for what is guaranteed.
"""
