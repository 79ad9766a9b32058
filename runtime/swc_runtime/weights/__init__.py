"""Weights: templates, coefficients, and how every composed weight is made of them.

- `bank` holds templates and coefficients, as `init` draws them; `plan` says which slot reads which row of a bank.
- `compose` turns banks into weights; `step_weights` does it once for all members of a training step.
- `layout` and `workspace` say where weights lie in memory.
- `expressions` evaluates weights that are made in other ways; `kernels` are what computes.
"""
