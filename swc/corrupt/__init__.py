"""Images corrupted as in CIFAR-10-C and CIFAR-100-C: 19 types in five severities, and folders of them.

It lies in `swc` and not in the runtime because it needs no torch, which would slow the start of every process that
corrupts images.
"""
