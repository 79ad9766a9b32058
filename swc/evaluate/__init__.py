"""What a trained ensemble is worth: scores of members, subsets and ensemble, costs, diversity, outliers.

- `measure` runs the ensemble on images and scores its predictions; `robustness` does so on corrupted images.
- `prediction_cache` keeps predictions, so that another score needs no forward pass.
- `record` is the evaluation as data; `merge` adds a new one to those of earlier calls.
- `tables` and `corruption_tables` show it as text.
"""
