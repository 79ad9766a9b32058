"""Numerical problems of the compiler as plain data: template allocation with its solvers and a checker; k-means.

- `problem` states it; `objectives` says what a template is worth.
- `even`, `greedy` and `exact` solve it; `check` holds any solution to the constraints.
- `kmeans` puts points into groups.
"""
