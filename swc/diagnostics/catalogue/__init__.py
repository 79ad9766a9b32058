"""The catalogue of diagnostics, a module for each area; `swc.diagnostics.codes` joins them.

They are joined elsewhere so that raising one diagnostic does not import all of them.
"""
