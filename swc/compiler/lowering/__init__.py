"""From the share graph to the Program."""
