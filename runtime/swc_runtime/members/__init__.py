"""Members as torch modules of an ensemble.

- `build` builds a member from its source, under the seeds of `seeds`; `same_build` compares two builds.
- `shared_state` and `memory` find tensors that two members, or two names, share, and give each its own.
- `noise` gives each member random numbers of its own; `in_place` keeps members from changing what others read.
- `logits` checks what a member returns; `modes` puts its parts into eval mode, or all but BatchNorm.
"""
