"""The pictures of frost, and the optional packages that some types need.

Gives uint8 images. Guarantees: the pictures are those of the published frost, as the package `imagecorruptions-imaug`
ships them; its code is not run.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from swc.corrupt.filters import Bytes

FILES = ("frost1.png", "frost2.png", "frost3.png", "frost4.jpg", "frost5.jpg", "frost6.jpg")
# the module that a type needs, and the package that has it
NEEDED = {"frost": ("imagecorruptions", "imagecorruptions-imaug"), "spatter": ("cv2", "opencv-python-headless")}


def missing_packages(types: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Types that cannot be made here, each with the package that is missing."""
    needed = [(name, *NEEDED[name]) for name in types if name in NEEDED]
    return tuple((name, package) for name, module, package in needed if not _is_there(module))


def _is_there(module: str) -> bool:
    """Whether a module is installed and, where its code is run, can be: OpenCV may miss a library."""
    if find_spec(module) is None:
        return False
    try:
        return module != "cv2" or import_module(module) is not None
    except ImportError:
        return False


@cache
def frost_pictures() -> tuple[Bytes, ...]:
    """The six pictures, [H, W, 3]; ModuleNotFoundError where the package is not installed."""
    from PIL import Image

    found = find_spec("imagecorruptions")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("frost needs the pictures of the package imagecorruptions-imaug")
    folder = Path(found.origin).parent / "frost"
    return tuple(np.asarray(Image.open(folder / name).convert("RGB")) for name in FILES)
