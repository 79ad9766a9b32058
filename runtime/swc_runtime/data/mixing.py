"""Batches whose images and labels are mixed, by torchvision's transforms.

Takes normalised images [B, C, H, W] with labels [B] and a number for the step; gives mixed images with labels
[B, classes] that say how much of each class is in them. Guarantees: what is mixed depends on the step's number alone,
and an image's partner is the one before it in the whole batch, so that the shares of several processes are parts of
what one process has.
"""

from __future__ import annotations

import numpy as np
from swc.registry.augmentations import AUGMENTATIONS
from torch import Tensor

from swc_runtime.data.augment import Steps, at_stage
from swc_runtime.data.keys import Integers
from swc_runtime.data.torchvision_steps import own_random_state

Mixed = tuple[Tensor, Tensor]


def mixing_steps(steps: Steps) -> Steps:
    """Those that mix images; of several one is drawn for each batch."""
    return at_stage("mixing", steps)


def with_partner(samples: Integers, share: slice) -> Integers:
    """A share of a batch, and before it the image that its first one is mixed with; the whole batch stays itself.

    A worked example: of the batch 5 6 7 8 the share 7 8 becomes 6 7 8, and the share 5 6 becomes 8 5 6.
    """
    own = samples[share]
    if len(own) in (0, len(samples)):
        return own
    return np.concatenate([samples[[share.start - 1]], own])


def mixed(images_BCHW: Tensor, labels_B: Tensor, steps: Steps, number: int, num_classes: int) -> Mixed:
    """The batch as one of the steps mixes it, each image with the one before, the first with the last."""
    step = steps[number % len(steps)]
    with own_random_state() as seed_by:
        seed_by(number)
        images, labels = AUGMENTATIONS.call(step.name, images_BCHW, labels_B, num_classes, **step.values)
    return images, labels


def mixup(images_BCHW: Tensor, labels_B: Tensor, num_classes: int, alpha: float) -> Mixed:
    """The share lambda of an image, and 1 - lambda of the one before. Source: Zhang et al., mixup, 2018."""
    from torchvision.transforms import v2

    found: Mixed = v2.MixUp(alpha=alpha, num_classes=num_classes)(images_BCHW, labels_B)
    return found


def cutmix(images_BCHW: Tensor, labels_B: Tensor, num_classes: int, alpha: float) -> Mixed:
    """An image with a rectangle of the one before. Source: Yun et al., CutMix, 2019."""
    from torchvision.transforms import v2

    found: Mixed = v2.CutMix(alpha=alpha, num_classes=num_classes)(images_BCHW, labels_B)
    return found
