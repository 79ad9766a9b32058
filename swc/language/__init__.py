"""The language: its text (syntax) and what it means (semantics)."""
