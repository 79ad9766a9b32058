"""The compiler: from the typed spec to the Program, by way of the share graph."""
