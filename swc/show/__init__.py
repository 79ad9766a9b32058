"""Showing a compiled ensemble: text, tables, pictures, and forms for other tools. Pure functions of the graph."""
