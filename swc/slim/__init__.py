"""From a trained slimmable network to a spec of networks with the numbers of channels that a search picked.

- `targets` reads how many multiply-adds are asked for; `slim` searches; `spec_text` writes the spec.
"""
