"""Template allocation as plain data, its solvers and the checker of any solution.

- `problem` states it; `objectives` says what a template is worth.
- `even`, `greedy` and `exact` solve it; `check` holds any solution to the constraints.
"""
