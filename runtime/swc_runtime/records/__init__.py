"""What a run writes down while it trains: metrics, events, checkpoints, progress."""
