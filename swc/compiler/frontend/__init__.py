"""Members: reading torch modules into layer tables."""

from swc.compiler.frontend.read import read_members
from swc.program.layer_table import LayerRow, LayerTable, ParameterRow

__all__ = ["LayerRow", "LayerTable", "ParameterRow", "read_members"]
