"""Showing a compiled ensemble: text, tables, pictures, and forms for other tools. Pure functions of the graph.

- `summary` gives the text of `swc compile`, `text` that of `swc show`; `layer` shows one weight; `diff` what changed.
- `picture`, `palette`, `links` and `images` draw the sharing graph; `exports` gives JSON, DOT and GraphML.
- `index`, `ties` and `choose` look things up in a graph; `wording` and `plain` put names and numbers into words.
"""
