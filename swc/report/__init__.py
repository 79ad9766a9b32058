"""Figures of runs: what training measured, drawn."""
