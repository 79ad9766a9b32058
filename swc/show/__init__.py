"""Showing a compiled ensemble: text, tables, pictures, and forms for other tools. Pure functions of the graph.

- `report` and `text` give the text of `swc show`; `layer` shows one weight; `diff` what a recompile changed.
- `picture`, `palette`, `links` and `images` draw the sharing graph; `exports` gives JSON, DOT and GraphML.
- `index`, `ties` and `choose` look things up in a graph; `wording` and `plain` put names and numbers into words.
"""
