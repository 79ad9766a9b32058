"""Steps of augmentation by torchvision's transforms, image by image.

Takes images [B, C, H, W] and a `Draw`; gives images. Guarantees: an image gets what torchvision's transform makes of it
where torch is seeded by the image's own number; torch's random state is afterwards what it was.

The random state of torch is one for all threads: whoever uses these steps makes no batches in a thread beside a step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from swc_runtime.data import keys
from swc_runtime.data.augment import Draw
from swc_runtime.data.keys import Hashes

Transform = Callable[[Tensor], Tensor]


@contextmanager
def own_random_state() -> Iterator[Callable[[int], object]]:
    """Gives what seeds torch's numbers of the CPU, which are put back in the end; those of devices stay."""
    with torch.random.fork_rng(devices=[]):
        yield lambda seed: torch.default_generator.manual_seed(seed >> 1)


def by_image(transform: Transform, images_BCHW: Tensor, numbers: Hashes) -> Tensor:
    """Each image transformed by itself, with the random numbers that its own one gives."""
    with own_random_state() as seed_by:
        made: list[Tensor] = []
        for image, number in zip(images_BCHW, numbers.tolist(), strict=True):
            seed_by(number)
            made.append(transform(image))
    return torch.stack(made)


def randaugment(images_BCHW: Tensor, draw: Draw, num_ops: int, magnitude: int) -> Tensor:
    """RandAugment on images of 8 bits. Source: Cubuk et al., RandAugment, 2020, by torchvision."""
    from torchvision.transforms import v2

    return by_image(v2.RandAugment(num_ops, magnitude), images_BCHW, draw(keys.RANDAUGMENT))


def trivial_augment(images_BCHW: Tensor, draw: Draw) -> Tensor:
    """TrivialAugment on images of 8 bits. Source: Mueller and Hutter, TrivialAugment, 2021, by torchvision."""
    from torchvision.transforms import v2

    return by_image(v2.TrivialAugmentWide(), images_BCHW, draw(keys.TRIVIAL_AUGMENT))


def erasing(images_BCHW: Tensor, draw: Draw, probability: float) -> Tensor:
    """Random erasing of normalised images, to zero. Source: Zhong et al., Random Erasing, 2017, by torchvision."""
    from torchvision.transforms import v2

    return by_image(v2.RandomErasing(p=probability), images_BCHW, draw(keys.ERASING))
