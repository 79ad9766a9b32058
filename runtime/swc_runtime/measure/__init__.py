"""Gradient statistics, measured while training, for the compiler to recompile by.

- `probe` collects gradients during an epoch; `similarity` compares them pair by pair.
- `sketch` compresses gradients where memory is short, and gives the error bars.
- `mixtures` says how layers mix templates; `spectra` how much another template of a bank could take up.
"""
