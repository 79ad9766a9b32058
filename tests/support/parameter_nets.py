"""Networks whose weights are not those of plain convolutions and linear layers, for images 1x8x8 of the digits."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

NUM_CLASSES = 10


class Transformer(nn.Module):
    """torch's own encoder over the rows of an image, which are its tokens."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.embed = nn.Linear(8, width)
        layer = nn.TransformerEncoderLayer(width, 2, 2 * width, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
        self.head = nn.Linear(width, NUM_CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        """Logits [B, 10]."""
        return self.head(self.encoder(self.embed(images[:, 0])).mean(1))


class Cross(nn.Module):
    """Attention whose keys and values are of other widths, so that it holds three weights instead of one."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(8, width)
        self.attend = nn.MultiheadAttention(width, 2, kdim=8, vdim=8, bias=False, add_bias_kv=True, batch_first=True)
        self.head = nn.Linear(width, NUM_CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        """Logits [B, 10]."""
        rows = images[:, 0]
        made, _ = self.attend(self.query(rows), rows, rows, need_weights=False)
        return self.head(made.mean(1))


class Vision(nn.Module):
    """A vision transformer with parameters of its own: a class token, positions, and one weight for all heads."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, width, 2, stride=2)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = nn.Parameter(torch.randn(17, width) * 0.02)
        self.qkv = nn.Parameter(torch.randn(3 * width, width) / width**0.5)
        self.scale = nn.Parameter(torch.ones(width))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, NUM_CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        """Logits [B, 10]."""
        patches = self.patches(images).flatten(2).transpose(1, 2)
        tokens = torch.cat((self.token.expand(len(images), -1, -1), patches), 1) + self.positions
        query, key, value = (self.norm(tokens) @ self.qkv.t()).chunk(3, -1)
        tokens = tokens + self.scale * scaled_dot_product_attention(query, key, value)
        return self.head(tokens[:, 0])


class Pixels(nn.Module):
    """Pixels as words: each grey value of sixteen has a vector of its own."""

    def __init__(self, width: int, padding: int | None = None) -> None:
        super().__init__()
        self.values = nn.Embedding(17, width, padding_idx=padding)
        self.mix = nn.Linear(width, width)
        self.head = nn.Linear(width, NUM_CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        """Logits [B, 10]."""
        words = (images.flatten(1) * 4 + 8).round().clamp(0, 16).long()
        return self.head(torch.relu(self.mix(self.values(words))).mean(1))


class Odd(nn.Module):
    """Grouped, depthwise and transposed convolutions, as in an autoencoder that classifies."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, width, 3, padding=1)
        self.grouped = nn.Conv2d(width, width, 3, padding=1, groups=2)
        self.depthwise = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.down = nn.Conv2d(width, 2 * width, 2, stride=2)
        self.up = nn.ConvTranspose2d(2 * width, width, 2, stride=2, groups=2)
        self.head = nn.Linear(width, NUM_CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        """Logits [B, 10]."""
        made = torch.relu(self.depthwise(torch.relu(self.grouped(torch.relu(self.stem(images))))))
        return self.head(self.up(torch.relu(self.down(made))).mean((2, 3)))


class Recurrent(nn.Module):
    """An LSTM over the rows of an image, and a cell beside it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.rows = nn.LSTM(8, width, batch_first=True)
        self.cell = nn.GRUCell(width, width)
        self.head = nn.Linear(width, NUM_CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        """Logits [B, 10]."""
        made = self.rows(images[:, 0])[0][:, -1]
        return self.head(self.cell(made, made))


class Listed(nn.Module):
    """Parameters in a list and a dictionary of torch's; `past` reads one of them from a list made once."""

    def __init__(self, past: bool = False) -> None:
        super().__init__()
        self.listed = nn.ParameterList([nn.Parameter(torch.randn(8, 8) * 0.3) for _ in range(2)])
        self.named = nn.ParameterDict({"last": nn.Parameter(torch.randn(8, 8) * 0.3)})
        self.direct = nn.Parameter(torch.randn(8, 8) * 0.3)
        self.hidden = nn.Linear(64, 8)
        self.head = nn.Linear(8, NUM_CLASSES)
        self._kept = [self.direct] if past else []

    def forward(self, images: Tensor) -> Tensor:
        """Logits [B, 10]."""
        made = self.hidden(images.flatten(1))
        for weight in (*self.listed, self.named["last"], *(self._kept or [self.direct])):
            made = torch.relu(made @ weight.t())
        return self.head(made)
