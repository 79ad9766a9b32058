"""The commands of `swc`, one thin module each."""
