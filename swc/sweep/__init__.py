"""Many runs of one spec: params varied, seeds repeated, one table at the end.

- `plan` lists the runs; `preflight` looks for mistakes before anything is written; `runner` trains them.
- `summary` is the table: mean and standard error over seeds.
"""
