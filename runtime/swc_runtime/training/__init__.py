"""Training: steps, optimiser, schedule, and one epoch of them."""
