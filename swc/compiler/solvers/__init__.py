"""Template allocation as plain data, its solvers and the checker of any solution."""
