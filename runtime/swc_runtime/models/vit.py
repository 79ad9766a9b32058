"""Vision transformers (Dosovitskiy et al., 2021): a class token, learned positions, blocks that normalise first.

Takes the shape of an image and sizes; gives a torch module whose layer paths are `patches`, `class_token`,
`positions`, `blocks.0.attention`, `blocks.0.widen`, `blocks.0.narrow`, ..., `norm`, `head`. Guarantees: attention is
torch's own `nn.MultiheadAttention`, so that its projections are read and shared as those of any model.

Shapes: B images, C channels, H x W pixels, T tokens, one of them for the class, D numbers of a token.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import StochasticDepth

DEVIATION = 0.02  # that the token and the positions start with
EPSILON = 1e-6  # of norms, as published


class TransformerBlock(nn.Module):
    """Attention, then two linear layers with GELU between; each normalised first and added to what came in.

    In training, either is left out of an example with probability `skipped` (Huang et al., 2016).
    """

    def __init__(self, width: int, heads: int, inner: int, dropout: float, skipped: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=EPSILON)
        self.attention = nn.MultiheadAttention(width, heads, dropout=dropout, batch_first=True)
        self.norm2 = nn.LayerNorm(width, eps=EPSILON)
        self.widen = nn.Linear(width, inner)
        self.narrow = nn.Linear(inner, width)
        self.dropout = nn.Dropout(dropout)
        self.skip = StochasticDepth(skipped, "row")

    def forward(self, x_BTD: Tensor) -> Tensor:
        """The block's sum of what came in and what it adds."""
        normed_BTD = self.norm1(x_BTD)
        attended_BTD, _ = self.attention(normed_BTD, normed_BTD, normed_BTD, need_weights=False)
        x_BTD = torch.add(x_BTD, self.skip(self.dropout(attended_BTD)))
        inner = self.dropout(F.gelu(self.widen(self.norm2(x_BTD))))
        return torch.add(x_BTD, self.skip(self.dropout(self.narrow(inner))))


class VisionTransformer(nn.Module):
    """Blocks over the patches of an image; the class is read from a token of its own."""

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        num_classes: int,
        patch: int,
        width: int,
        dropout: float,
        blocks: list[nn.Module],
    ) -> None:
        super().__init__()
        channels, height, width_pixels = image_shape
        self.patches = nn.Conv2d(channels, width, patch, stride=patch)
        num_patches = (height // patch) * (width_pixels // patch)
        self.class_token = nn.Parameter(torch.randn(1, width) * DEVIATION)
        self.positions = nn.Parameter(torch.randn(1 + num_patches, width) * DEVIATION)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.Sequential(*blocks)
        self.norm = nn.LayerNorm(width, eps=EPSILON)
        self.head = nn.Linear(width, num_classes)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Logits [B, classes]."""
        patches_BTD = self.patches(images_BCHW).flatten(2).transpose(1, 2)
        token_BTD = self.class_token.expand(len(images_BCHW), 1, -1)
        x_BTD = self.dropout(torch.cat((token_BTD, patches_BTD), dim=1) + self.positions)
        logits: Tensor = self.head(self.norm(self.blocks(x_BTD))[:, 0])
        return logits


def vit(  # noqa: PLR0913 - the arguments of the row
    num_classes: int,
    image_shape: tuple[int, int, int],
    *,
    patch: int,
    depth: int,
    width: int,
    heads: int,
    mlp_ratio: float = 4.0,
    dropout: float = 0.0,
    stochastic_depth: float = 0.0,
) -> nn.Module:
    """A vision transformer of `depth` blocks over patches of `patch` x `patch` pixels, each in `width` numbers.

    Blocks are left out in training with a probability that grows from 0 at the first to `stochastic_depth` at the last.
    ValueError where patches do not fill the image, or heads do not share the width evenly.
    """
    if image_shape[1] % patch or image_shape[2] % patch:
        size = f"{image_shape[1]} x {image_shape[2]}"
        raise ValueError(f"patches of {patch} x {patch} do not fill an image of {size} pixels")
    if width % heads:
        raise ValueError(f"{heads} heads do not share a width of {width} evenly")
    rates = [stochastic_depth * number / max(1, depth - 1) for number in range(depth)]
    inner = max(1, round(width * mlp_ratio))
    blocks: list[nn.Module] = [TransformerBlock(width, heads, inner, dropout, rate) for rate in rates]
    return VisionTransformer(image_shape, num_classes, patch, width, dropout, blocks)
