"""The processes that train one ensemble together."""
