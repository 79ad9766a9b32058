"""Multilayer perceptrons for rows of numbers, with embeddings of each number where they are wanted.

Takes the shape of an input, of which all numbers are put in a row; gives a torch module whose layer paths are
`embed...`, `first`, `hidden.0`, `hidden.1`, ..., `head`. Guarantees: each layer but the last is followed by ReLU and
dropout; weights and biases start as torch's own, uniform within 1 / sqrt(inputs).

Embeddings are those of Gorishniy, Rubachev and Babenko (2022) in the forms that TabM takes (Gorishniy et al., 2025).

Shapes: B examples, F numbers of one, N bins or frequencies, E numbers that one is embedded in.
"""

from __future__ import annotations

from math import pi, prod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EMBEDDED_IN, NUM_BINS, NUM_FREQUENCIES, SCALE = 24, 48, 48, 0.01


class EachLinear(nn.Module):
    """A linear layer of its own for each of F numbers: [B, F, N] to [B, F, E]."""

    def __init__(self, num_features: int, inputs: int, outputs: int, *, has_offsets: bool) -> None:
        super().__init__()
        bound = inputs**-0.5
        self.weight = nn.Parameter(torch.empty(num_features, inputs, outputs).uniform_(-bound, bound))
        offsets = torch.empty(num_features, outputs).uniform_(-bound, bound)
        self.offsets = nn.Parameter(offsets) if has_offsets else None

    def forward(self, x_BFN: Tensor) -> Tensor:
        """What each layer makes of its own numbers."""
        made_BFE = (x_BFN.transpose(0, 1) @ self.weight).transpose(0, 1)
        return made_BFE if self.offsets is None else made_BFE + self.offsets


class PeriodicEmbeddings(nn.Module):
    """Sines and cosines of each number at frequencies that are learned, through a linear layer and ReLU.

    The layer is one for all numbers (`lite`), or each has its own. Frequencies start normal, with a deviation of
    `scale`, which is worth tuning.
    """

    def __init__(self, num_features: int, embedded_in: int, num_frequencies: int, scale: float, *, lite: bool) -> None:
        super().__init__()
        self.frequencies = nn.Parameter(torch.empty(num_features, num_frequencies))
        nn.init.trunc_normal_(self.frequencies, 0.0, scale, a=-3 * scale, b=3 * scale)
        waves = 2 * num_frequencies
        self.linear = (
            nn.Linear(waves, embedded_in) if lite else EachLinear(num_features, waves, embedded_in, has_offsets=True)
        )

    def forward(self, x_BF: Tensor) -> Tensor:
        """Embeddings [B, F, E]."""
        angles_BFN = 2 * pi * self.frequencies * x_BF[..., None]
        made_BFE: Tensor = F.relu(self.linear(torch.cat((angles_BFN.cos(), angles_BFN.sin()), dim=-1)))
        return made_BFE


class PiecewiseLinearEmbeddings(nn.Module):
    """A linear embedding of each number, plus one of how far it reaches into each of its bins, which starts at zero.

    A bin that a number is past counts 1, one that it has not reached 0, and its own what part of it lies below; the
    first and the last go on beyond the ends. The bins come from the data that are trained on: `fit_inputs`.
    """

    # Buffers, [F, N], [F, N] and [F]: of a bin 1 / its width, -its lower edge / its width; and how many there are.
    # Until they are fitted there are none, and the linear embedding stands alone.
    steps: Tensor
    starts: Tensor
    num_bins: Tensor

    def __init__(self, num_features: int, embedded_in: int, most_bins: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(num_features, embedded_in).uniform_(-1, 1))
        self.offsets = nn.Parameter(torch.empty(num_features, embedded_in).uniform_(-1, 1))
        self.linear = EachLinear(num_features, most_bins, embedded_in, has_offsets=False)
        nn.init.zeros_(self.linear.weight)
        self.register_buffer("steps", torch.zeros(num_features, most_bins))
        self.register_buffer("starts", torch.zeros(num_features, most_bins))
        self.register_buffer("num_bins", torch.zeros(num_features, dtype=torch.int64))

    @torch.no_grad()
    def fit_inputs(self, x_BF: Tensor) -> None:
        """Take the quantiles of these numbers as the edges of bins, each edge once."""
        num_features, most = self.steps.shape
        quantiles = torch.linspace(0, 1, most + 1, dtype=torch.float64, device=x_BF.device)
        for feature in range(num_features):
            edges = torch.unique(torch.quantile(x_BF[:, feature].double(), quantiles).float())
            number = len(edges) - 1
            steps, starts = torch.zeros(most), torch.zeros(most)
            steps[:number] = 1 / edges.diff()
            starts[:number] = -edges[:-1] / edges.diff()
            self.steps[feature], self.starts[feature], self.num_bins[feature] = steps, starts, number

    def forward(self, x_BF: Tensor) -> Tensor:
        """Embeddings [B, F, E]."""
        linear_BFE = self.weight * x_BF[..., None] + self.offsets
        made_BFE: Tensor = linear_BFE + self.linear(self._encoded(x_BF))
        return made_BFE

    def _encoded(self, x_BF: Tensor) -> Tensor:
        """How far each number reaches into its bins [B, F, N]; 0 in the bins that a number has not got."""
        # Edges 0, 1, 3: the number 2 is past the first bin and half through the second: 1, 0.5. At -1 it is -1, 0, and
        # at 5 it is 1, 2.
        reached_BFN = torch.addcmul(self.starts, self.steps, x_BF[..., None])
        places_N = torch.arange(self.steps.shape[1], device=x_BF.device)
        low_FN = torch.where(places_N == 0, -torch.inf, 0.0).expand_as(self.steps)
        high_FN = torch.where(places_N == self.num_bins[:, None] - 1, torch.inf, 1.0)
        return torch.minimum(torch.maximum(reached_BFN, low_FN), high_FN)


class Perceptron(nn.Module):
    """Layers of one width over all numbers of an input, or over their embeddings."""

    def __init__(self, inputs: int, outputs: int, depth: int, width: int, dropout: float, embed: nn.Module) -> None:
        super().__init__()
        self.embed = embed
        self.first = nn.Linear(inputs, width)
        self.hidden = nn.ModuleList(nn.Linear(width, width) for _ in range(depth - 1))
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits [B, classes], or what else the head is for."""
        made = self.embed(inputs.flatten(1)).flatten(1)
        for layer in (self.first, *self.hidden):
            made = self.dropout(F.relu(layer(made)))
        logits: Tensor = self.head(made)
        return logits


class BinnedPerceptron(Perceptron):
    """A perceptron over piecewise-linear embeddings, whose bins come from the inputs that are trained on."""

    embed: PiecewiseLinearEmbeddings

    def fit_inputs(self, inputs: Tensor) -> None:
        """Take the edges of bins from all inputs [N, ...] of the training part."""
        self.embed.fit_inputs(inputs.flatten(1))


def mlp(  # noqa: PLR0913 - the arguments of the row
    num_classes: int,
    input_shape: tuple[int, ...],
    *,
    depth: int,
    width: int,
    dropout: float = 0.0,
    embeddings: str = "none",
    size: int = EMBEDDED_IN,
    bins: int = NUM_BINS,
    frequencies: int = NUM_FREQUENCIES,
    scale: float = SCALE,
    lite: bool = False,
) -> nn.Module:
    """A perceptron of `depth` layers below the head, for inputs of this shape.

    `embeddings` are `none`, `piecewise_linear` with so many `bins`, or `periodic` with so many `frequencies` that start
    with the deviation `scale`, each number in `size` others; ValueError for any other word.
    """
    count = prod(input_shape)
    if embeddings == "none":
        return Perceptron(count, num_classes, depth, width, dropout, nn.Identity())
    if embeddings == "periodic":
        waves = PeriodicEmbeddings(count, size, frequencies, scale, lite=lite)
        return Perceptron(count * size, num_classes, depth, width, dropout, waves)
    if embeddings == "piecewise_linear":
        binned = PiecewiseLinearEmbeddings(count, size, bins)
        return BinnedPerceptron(count * size, num_classes, depth, width, dropout, binned)
    raise ValueError(f"`{embeddings}` are no embeddings: none, periodic and piecewise_linear are")
