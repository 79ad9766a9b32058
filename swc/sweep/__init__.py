"""Many runs of one spec: params varied, seeds repeated, one table at the end."""
