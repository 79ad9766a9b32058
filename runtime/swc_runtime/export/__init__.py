"""Members as plain modules and files, free of everything that made them."""

from swc_runtime.carry.plain import plain_member

__all__ = ["plain_member"]
