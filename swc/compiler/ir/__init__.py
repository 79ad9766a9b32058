"""The share graph: its nodes, verifier, text form and views."""
