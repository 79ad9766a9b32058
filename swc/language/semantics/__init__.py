"""From the syntax tree to the typed spec: names, types, units and scopes."""
