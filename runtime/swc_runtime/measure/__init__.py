"""Measuring gradients for the compiler."""
