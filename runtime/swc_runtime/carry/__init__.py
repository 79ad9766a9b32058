"""Weights and optimiser state, carried from one compiled program to the next.

- `transfer` moves templates, coefficients and private parameters; `fit` finds those that come closest to old weights.
- `rebuild` builds a member again from its source and gives it its state; `plain` gives a member that owns its weights.
"""
