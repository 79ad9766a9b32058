"""Running what was compiled: training, measuring, recompiling.

To follow a run, read down: `loop` (from state to state, on one screen), `transitions` (an epoch, scores, a recompile),
`actions` (what happens between two stages), `state`. Who is told of it: `observer`, and `disk`, which writes the run's
folder. Where it begins: `run`, `folder`, `machine`, `checkpoints`.
"""
