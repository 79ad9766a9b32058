"""Weights: templates, coefficients, and how every composed weight is made of them."""
