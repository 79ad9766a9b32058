"""Ensembles beside each other: what they store and cost before training, and the scores of their runs.

- `systems` compiles or opens each ensemble; `costs` counts what it stores and computes; `scores` reads its runs.
- `comparison` puts them together as data; `record` writes that as JSON and CSV; `tables` shows it as text.
"""
