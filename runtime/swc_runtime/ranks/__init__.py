"""The processes (ranks) that train one ensemble together.

- `ranks` starts them and sums over them; `synced_norms` gives BatchNorm the statistics of all of them.
"""
