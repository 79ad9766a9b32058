"""The ensemble in loops that are not ours: plain torch, Lightning; and trackers that hear of our own.

Guarantees: what happens between two stages is what `swc train` does; nothing here is imported by the commands unless
it is asked for.
"""

from swc.loops.state import LoopState, advance, begin, restored

__all__ = ["LoopState", "advance", "begin", "restored"]
