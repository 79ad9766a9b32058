"""Feedback: what training measured, by id, for the next recompile.

Ids are those of the graph the runtime was compiled from: layers (`member.path`) for clusters, slots
(`member.path#level`) for coefficients. Sources: docs/explanation/method.md.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

UNKNOWN_ERROR = 1.0  # what stands for the error of a cosine of which only one group of batches speaks


@frozen
class Similarity:
    """The cosine `value` of two summed gradients, and its standard `error` (delete-one-group jackknife).

    `first` and `second` are ids in the order in which the graph lists them.
    """

    first: str
    second: str
    value: float
    error: float

    @property
    def text(self) -> str:
        """Its value with its standard error."""
        error = f"{self.error:z.3f}" if self.has_error else "unknown"
        return f"{self.value:z.3f} ± {error}"

    @property
    def has_error(self) -> bool:
        """Whether its error was measured."""
        return self.error < UNKNOWN_ERROR


def unknown_errors(similarities: Sequence[Similarity]) -> str:
    """What is to be said of similarities that a single batch gave: how sure they are is not known; else nothing."""
    if not similarities or any(pair.has_error for pair in similarities):
        return ""
    return "; they are of a single batch of images, so how sure they are is not known"


@frozen
class Spectrum:
    """The energies (squared singular values, falling) of a bank's slot gradients, for `optimal(profiled)`."""

    bank: str
    energies: tuple[float, ...]


@frozen
class ClusterCut:
    """Where a split into a number of clusters cuts the falling similarities of one share block (number `share`).

    `joined` is the last link that still joined two groups, `apart` the first that was left (None: there is none). A
    link names the groups by their first layers; with `linkage average` its value is the mean over the pairs between
    the groups, and its error the mean of their errors, which the standard error of the mean never exceeds.
    """

    share: int
    number: int
    joined: Similarity | None
    apart: Similarity | None

    @property
    def level(self) -> float | None:
        """The similarity in the middle of the cut, a threshold that would cut alike; None where nothing can join."""
        values = [link.value for link in (self.joined, self.apart) if link is not None]
        return sum(values) / len(values) if values else None


@frozen
class ClusterFeedback:
    """Cluster similarity: one entry for each pair of layers inside one cluster of revision `revision`.

    `silent` are layers whose summed gradient is zero, wherever they have something in common with the others of their
    cluster: they have no cosine. `spectra` belong to the banks of the
    graph *after* the split and are empty until they were measured. `cuts` are those of a split by number, in the order
    of the share blocks.
    """

    revision: int
    similarities: tuple[Similarity, ...]
    silent: tuple[str, ...] = ()
    spectra: tuple[Spectrum, ...] = ()
    num_images: int = 0
    num_groups: int = 0
    cuts: tuple[ClusterCut, ...] = ()


@frozen
class CoefficientFeedback:
    """Coefficient similarity: one entry for each pair of slots that share a coefficient in revision `revision`."""

    revision: int
    similarities: tuple[Similarity, ...]
    silent: tuple[str, ...] = ()
    num_images: int = 0
    num_groups: int = 0


@frozen
class Mixture:
    """The `weights` that layer `layer` gave the templates of `bank`, its bank in pretraining: positive, of sum one."""

    layer: str
    bank: str
    weights: tuple[float, ...]


@frozen
class GroupFeedback:
    """How the layers of `shapeshifter` blocks mixed one bank's templates at the end of revision `revision`."""

    revision: int
    mixtures: tuple[Mixture, ...]


SimilarityFeedback = ClusterFeedback | CoefficientFeedback
Feedback = SimilarityFeedback | GroupFeedback
