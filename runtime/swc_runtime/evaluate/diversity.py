"""How differently the members of an ensemble predict.

Takes probabilities and labels; gives a matrix. Guarantees: what is undefined, of a member that is never wrong, is nan.
Suffixes: M members, N images, C classes.
"""

from __future__ import annotations

from torch import Tensor

from swc_runtime.tasks import PLAIN


def diversity(probabilities_MNC: Tensor, labels_N: Tensor) -> Tensor:
    """Per pair [M, M] the fraction of images they disagree on, over the error rate of the first; zero on the diagonal.

    ValueError without images. Source: Fort et al., 2019; supplementary, section 3.4.
    """
    if len(labels_N) == 0:
        raise ValueError("there are no images to compare members on")
    return PLAIN.disagreement(probabilities_MNC, labels_N)


def mean_diversity(matrix_MM: Tensor) -> float:
    """The mean over ordered pairs of different members; nan where there are none, or one is undefined."""
    num_members = len(matrix_MM)
    if num_members < 2:
        return float("nan")
    return float(matrix_MM.sum() / (num_members * (num_members - 1)))
