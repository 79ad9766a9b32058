"""Members: reading torch modules into layer tables."""

from swc.frontend.read import read_members
from swc.frontend.table import LayerRow, LayerTable, ParameterRow

__all__ = ["LayerRow", "LayerTable", "ParameterRow", "read_members"]
