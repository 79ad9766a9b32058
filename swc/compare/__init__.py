"""Ensembles beside each other: what they store and cost before training, and what their runs came to."""
