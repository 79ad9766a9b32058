"""The 19 corruptions with the constants of CIFAR-10-C and CIFAR-100-C: one literal registry.

Source of names, constants and definitions: D. Hendrycks, T. Dietterich, Benchmarking Neural Network Robustness to
Common Corruptions and Perturbations, ICLR 2019, and the release that made the arrays (hendrycks/robustness,
ImageNet-C/create_c/make_cifar_c.py, Apache-2.0). The constants are for images of 32 pixels; those for ImageNet are
others, far harsher at this size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import frozen

from swc.corrupt import blur, digital, noise, spatter, weather

SEVERITIES = (1, 2, 3, 4, 5)
SIDE = 32  # pixels: what the constants are made for
LEAST_SIDE = 8  # pixels: below that some types would be the same in all severities

Constants = tuple[float, ...]


@frozen
class Corruption:
    """A type: `make(image, generator, *constants)` with the constants of each severity.

    `is_standard`: one of the fifteen that the benchmark's mean is over; the other four were held out for choosing
    methods by. `needs_colour`: it takes three channels.
    """

    make: Callable[..., Any]
    constants: tuple[Constants, ...]
    is_standard: bool = True
    needs_colour: bool = False


def _each(*values: float) -> tuple[Constants, ...]:
    return tuple((value,) for value in values)


CORRUPTIONS: dict[str, Corruption] = {
    "gaussian_noise": Corruption(noise.gaussian_noise, _each(0.04, 0.06, 0.08, 0.09, 0.10)),
    "shot_noise": Corruption(noise.shot_noise, _each(500, 250, 100, 75, 50)),
    "impulse_noise": Corruption(noise.impulse_noise, _each(0.01, 0.02, 0.03, 0.05, 0.07)),
    "defocus_blur": Corruption(blur.defocus_blur, ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1))),
    "glass_blur": Corruption(blur.glass_blur, ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2))),
    "motion_blur": Corruption(blur.motion_blur, ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5))),
    "zoom_blur": Corruption(blur.zoom_blur, _each(1.06, 1.11, 1.16, 1.21, 1.26)),
    "snow": Corruption(
        weather.snow,
        (
            (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
            (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
        ),
        needs_colour=True,
    ),
    "frost": Corruption(weather.frost, ((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)), needs_colour=True),
    "fog": Corruption(weather.fog, ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75))),
    "brightness": Corruption(weather.brightness, _each(0.05, 0.1, 0.15, 0.2, 0.3), needs_colour=True),
    "contrast": Corruption(digital.contrast, _each(0.75, 0.5, 0.4, 0.3, 0.15)),
    "elastic_transform": Corruption(
        digital.elastic_transform,
        ((0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03)),
    ),
    "pixelate": Corruption(digital.pixelate, _each(0.95, 0.9, 0.85, 0.75, 0.65)),
    "jpeg_compression": Corruption(digital.jpeg_compression, _each(80, 65, 58, 50, 40)),
    "speckle_noise": Corruption(noise.speckle_noise, _each(0.06, 0.1, 0.12, 0.16, 0.2), is_standard=False),
    "gaussian_blur": Corruption(blur.gaussian_blur, _each(0.4, 0.6, 0.7, 0.8, 1), is_standard=False),
    "spatter": Corruption(
        spatter.spatter,
        (
            (0.62, 0.1, 0.7, 0.7, 0.5, 0),
            (0.65, 0.1, 0.8, 0.7, 0.5, 0),
            (0.65, 0.3, 1, 0.69, 0.5, 0),
            (0.65, 0.1, 0.7, 0.69, 0.6, 1),
            (0.65, 0.1, 0.5, 0.68, 0.6, 1),
        ),
        is_standard=False,
        needs_colour=True,
    ),
    "saturate": Corruption(
        digital.saturate, ((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)), is_standard=False, needs_colour=True
    ),
}
TYPES = tuple(CORRUPTIONS)
STANDARD = tuple(name for name, found in CORRUPTIONS.items() if found.is_standard)
