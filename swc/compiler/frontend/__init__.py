"""Members: reading torch modules into layer tables."""

from swc.compiler.frontend.read import read_members
from swc.program.layer_table import LayerTable, ParameterRow

__all__ = ["LayerTable", "ParameterRow", "read_members"]
