"""The data sets by name: what the compiler and the runtime must both know about each.

One literal registry; the loaders are in `swc_runtime.data`, one for each name here.
"""

from __future__ import annotations

from attrs import frozen


@frozen
class DataFacts:
    """A data set as a spec names it.

    `image_shape` is (channels, height, width) in pixels as the members see it; `mean` and `deviation` are per
    channel, for pixels in [0, 1].
    """

    name: str
    num_classes: int
    image_shape: tuple[int, int, int]
    num_train: int
    num_test: int
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    folder: str | None = None  # for `folder("path", ...)`: an ImageNet-style tree with train/ and val/


DATASETS: dict[str, DataFacts] = {
    "cifar10": DataFacts(
        "cifar10", 10, (3, 32, 32), 50_000, 10_000, (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
    ),
    "cifar100": DataFacts(
        "cifar100", 100, (3, 32, 32), 50_000, 10_000, (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)
    ),
    "digits": DataFacts("digits", 10, (1, 8, 8), 1_437, 360, (0.3057,), (0.3761,)),
    "imagenet": DataFacts(
        "imagenet", 1000, (3, 224, 224), 1_281_167, 50_000, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    ),
}
