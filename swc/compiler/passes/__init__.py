"""The passes that turn layers into a share graph, in the order of `pipeline.py`."""
