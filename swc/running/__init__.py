"""Running what was compiled: training, measuring, recompiling."""
