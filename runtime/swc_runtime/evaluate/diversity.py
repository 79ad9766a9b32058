"""How differently the members of an ensemble predict.

Takes probabilities and labels; gives a matrix. Guarantees: what is undefined, of a member that is never wrong, is nan.
Suffixes: M members, N images, C classes.
"""

from __future__ import annotations

from torch import Tensor


def diversity(probabilities_MNC: Tensor, labels_N: Tensor) -> Tensor:
    """Per pair [M, M] the fraction of images they disagree on, over the error rate of the first; zero on the diagonal.

    ValueError without images. Source: Fort et al., 2019; supplementary, section 3.4.
    """
    if len(labels_N) == 0:
        raise ValueError("there are no images to compare members on")
    predicted_MN = probabilities_MNC.argmax(-1)
    disagree_MM = (predicted_MN[:, None] != predicted_MN[None]).double().mean(-1)
    errors_M = (predicted_MN != labels_N).double().mean(-1)
    found_MM = disagree_MM / errors_M[:, None]
    return found_MM.where(errors_M[:, None] > 0, float("nan")).fill_diagonal_(0.0)


def mean_diversity(matrix_MM: Tensor) -> float:
    """The mean over ordered pairs of different members; nan where there are none, or one is undefined."""
    num_members = len(matrix_MM)
    if num_members < 2:
        return float("nan")
    return float(matrix_MM.sum() / (num_members * (num_members - 1)))
