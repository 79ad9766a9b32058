"""Measurements that stand in docs/results: each script prints a table and writes it with its plots to a folder."""
