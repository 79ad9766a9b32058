"""What members take, made of the raw columns of a table, as a torch module.

Takes numbers float64 [N, R], nan where one is missing, and codes of categories int64 [N, K]; gives features float32
[N, F]. Guarantees: computed in float64, the features are those that members were trained with; nothing but torch is
needed, and no operation that ONNX lacks.

Suffixes: N rows, R columns of numbers, K columns of categories, Q quantiles, F features.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

EDGE = 1e-7  # from the first and last quantile, within which a number counts as outside
TAIL = EDGE - 2.0**-52  # the smallest place: normal scores end at those of it and of 1 - TAIL

# The normal quantile function, which ONNX lacks, as a quotient of polynomials, lowest power first (M. Wichura, Applied
# Statistics 37, 1988, AS 241): one pair for the middle, |place - 0.5| <= 0.425, one for the tails as far as TAIL goes.
MIDDLE = (
    (
        3.3871328727963666080e0,
        1.3314166789178437745e2,
        1.9715909503065514427e3,
        1.3731693765509461125e4,
        4.5921953931549871457e4,
        6.7265770927008700853e4,
        3.3430575583588128105e4,
        2.5090809287301226727e3,
    ),
    (
        1.0,
        4.2313330701600911252e1,
        6.8718700749205790830e2,
        5.3941960214247511077e3,
        2.1213794301586595867e4,
        3.9307895800092710610e4,
        2.8729085735721942674e4,
        5.2264952788528545610e3,
    ),
)
TAILS = (
    (
        1.42343711074968357734e0,
        4.63033784615654529590e0,
        5.76949722146069140550e0,
        3.64784832476320460504e0,
        1.27045825245236838258e0,
        2.41780725177450611770e-1,
        2.27238449892691845833e-2,
        7.74545014278341407640e-4,
    ),
    (
        1.0,
        2.05319162663775882187e0,
        1.67638483018380384940e0,
        6.89767334985100004550e-1,
        1.48103976427480074590e-1,
        1.51986665636164571966e-2,
        5.47593808499534494600e-4,
        1.05075007164441684324e-9,
    ),
)
HALF_OF_THE_MIDDLE, START_OF_THE_TAILS = 0.425, 1.6


class ColumnFeatures(nn.Module):
    """Numbers scaled by `scheme` (`quantile`, `standard` or `none`), then categories coded by `encoding`.

    `encoding` is `one_hot` or `ordinal`; `sizes` are how many values each category has. Its buffers are what was fitted
    to the training rows: `medians` [R], and `quantiles` [R, Q] or `means` [R] and `scales` [R].
    """

    medians: Tensor
    quantiles: Tensor
    means: Tensor
    scales: Tensor

    def __init__(
        self, scheme: str, encoding: str, sizes: Sequence[int], num_numbers: int, num_quantiles: int = 0
    ) -> None:
        super().__init__()
        self.scheme, self.encoding, self.sizes = scheme, encoding, tuple(sizes)
        self.num_numbers, self.num_quantiles = num_numbers, num_quantiles
        fitted = {"quantile": ("quantiles",), "standard": ("means", "scales"), "none": ()}[scheme]
        for name in ("medians", *fitted):
            shape = (num_numbers, num_quantiles) if name == "quantiles" else (num_numbers,)
            self.register_buffer(name, torch.zeros(shape, dtype=torch.float64))

    def forward(self, numbers_NR: Tensor, codes_NK: Tensor) -> Tensor:
        """Features float32 [N, F]: the numbers in order, then the categories.

        A code of -1, or of the number of values, is a value that no training row has.
        """
        parts = [self.scaled(numbers_NR.double())] if self.num_numbers else []
        parts += [self._encoded(codes_NK[:, place], size) for place, size in enumerate(self.sizes)]
        return torch.cat(parts, dim=1).float()

    def _encoded(self, codes_N: Tensor, size: int) -> Tensor:
        """A column of zeros and ones for each value; or the number of the value, that after the last if it is new."""
        if self.encoding == "one_hot":
            return (codes_N[:, None] == torch.arange(size, device=codes_N.device)).double()
        is_new = (codes_N < 0) | (codes_N >= size)
        return torch.where(is_new, size, codes_N)[:, None].double()

    def scaled(self, numbers_NR: Tensor) -> Tensor:
        """Numbers without gaps, as the scheme has them, float64 [N, R]."""
        whole_NR = torch.where(numbers_NR.isnan(), self.medians, numbers_NR)
        if self.scheme == "standard":
            return (whole_NR - self.means) / self.scales
        return normal_scores(self._places(whole_NR)) * self._varies() if self.scheme == "quantile" else whole_NR

    def _varies(self) -> Tensor:
        """1 for each column [R] of several values, 0 for one of a single value."""
        return (self.quantiles[:, 0] < self.quantiles[:, -1]).double()

    def _places(self, numbers_NR: Tensor) -> Tensor:
        """Where numbers lie among the quantiles of their column, from 0 to 1.

        Between two quantiles the place is linear; of several equal ones it is the middle. A worked example: among 0, 2,
        2, 4 the number 3 lies at (2 + 1/2) / 3, and 2 between 1/3 and 2/3, at 1/2.
        """
        below_NR, up_to_NR = self._counts(numbers_NR)
        last = self.num_quantiles - 1
        left_NR = (below_NR - 1).clamp(0, max(last - 1, 0))
        start_NR, width_NR = self._at(left_NR), self._at((left_NR + 1).clamp(max=last)) - self._at(left_NR)
        between_NR = left_NR + (numbers_NR - start_NR) / torch.where(width_NR > 0, width_NR, 1.0)
        middle_NR = (below_NR + up_to_NR - 1) / 2
        place_NR = torch.where(up_to_NR > below_NR, middle_NR, between_NR) / max(last, 1)
        place_NR = torch.where(numbers_NR + EDGE > self.quantiles[:, -1], 1.0, place_NR)
        return torch.where(numbers_NR - EDGE < self.quantiles[:, 0], 0.0, place_NR)

    def _counts(self, numbers_NR: Tensor) -> tuple[Tensor, Tensor]:
        """How many quantiles of its column are below each number, and how many are not above it."""
        if torch.onnx.is_in_onnx_export():  # ONNX has no search: all are compared, and there are N x R x Q of these
            each_NR1 = numbers_NR[:, :, None]
            return (self.quantiles < each_NR1).long().sum(-1), (self.quantiles <= each_NR1).long().sum(-1)
        columns_RN = numbers_NR.T.contiguous()
        below_RN, up_to_RN = (torch.searchsorted(self.quantiles, columns_RN, right=right) for right in (False, True))
        return below_RN.T, up_to_RN.T

    def _at(self, places_NR: Tensor) -> Tensor:
        """The quantiles of each column at these places."""
        first_R = torch.arange(self.num_numbers, device=places_NR.device) * self.num_quantiles
        return self.quantiles.reshape(-1)[places_NR + first_R]


def normal_scores(places: Tensor) -> Tensor:
    """The normal quantiles of places from 0 to 1, which end at those of `TAIL`: to 1e-15 here, in ONNX to 1e-7.

    ONNX has plain numbers as float32, in which 1 - TAIL is too coarse: the ends are tensors.
    """
    ends = torch.tensor((TAIL, 1 - TAIL), dtype=torch.float64, device=places.device)
    places = torch.minimum(torch.maximum(places, ends[0]), ends[1])
    offset = places - 0.5
    middle = offset * _quotient(MIDDLE, HALF_OF_THE_MIDDLE**2 - offset * offset)
    tails = _quotient(TAILS, (-torch.minimum(places, 1 - places).log()).sqrt() - START_OF_THE_TAILS)
    return torch.where(offset.abs() <= HALF_OF_THE_MIDDLE, middle, torch.where(offset < 0, -tails, tails))


def _quotient(polynomials: tuple[tuple[float, ...], tuple[float, ...]], at: Tensor) -> Tensor:
    above, below = (_polynomial(coefficients, at) for coefficients in polynomials)
    return above / below


def _polynomial(coefficients: tuple[float, ...], at: Tensor) -> Tensor:
    """By Horner's rule, with the coefficient of the lowest power first."""
    total = torch.full_like(at, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        total = total * at + coefficient
    return total
