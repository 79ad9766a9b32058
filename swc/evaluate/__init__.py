"""What a trained ensemble is worth: scores of members, subsets and ensemble, costs, diversity, outliers."""
