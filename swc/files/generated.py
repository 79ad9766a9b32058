"""What a folder of corrupted images was made of, as its `generated.json` holds it."""

from __future__ import annotations

from attrs import frozen


@frozen
class Settings:
    """What generated arrays are a function of, but for the versions of packages.

    `image_shape` is [H, W, C]; `source` the SHA-256 of the clean images and their labels; `constants` those of every
    type and severity, whether or not it is made.
    """

    data: str
    image_shape: tuple[int, int, int]
    num_images: int
    source: str
    seed: int
    severities: tuple[int, ...]
    constants: tuple[tuple[str, tuple[tuple[float, ...], ...]], ...]


@frozen
class Made:
    """An array that is there whole, and the versions of the packages that made it."""

    name: str
    versions: tuple[tuple[str, str], ...]


@frozen
class Generated:
    """The mark of a folder that was made by `swc data corrupt`."""

    note: str
    settings: Settings
    made: tuple[Made, ...]
