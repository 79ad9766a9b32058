"""Carrying weights and optimiser state from one compiled program to the next."""
