"""What a run writes down while it trains.

- `records` writes lines of metrics; `events` the same for TensorBoard.
- `checkpoint` writes and reads the state that a run is resumed from.
"""
