"""The share graph, the compiler's own form of an ensemble.

- `graph` has its nodes; `verify` its invariants; `counts` its scalars.
- `text` writes and parses its textual form, over `tokens`; `view` gives it as a networkx graph.
"""
