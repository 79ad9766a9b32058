"""From an opened image file to grey or colour with 8 bits a channel.

Takes a Pillow image; gives another one. Guarantees: as torchvision reads it, but for two things: an image is turned as
its EXIF orientation says where that is asked for, and deep greys are scaled, where Pillow would clip them; what could
not be read without guessing is a ValueError. Of several frames the first counts; what is transparent shows the colour
below it.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

ORIENTATION = 0x0112  # the EXIF tag
PHOTOMETRIC = 262  # the TIFF tag: with 0 white is zero
UNKNOWN_WHITE = "which of them is white is not known: save the image with 8 bits a channel"
LEAST_WHITE = 1 << 12  # a 16-bit image without any value so high was made by 12 bits or fewer
BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    EOFError,
    struct.error,
)  # what Pillow raises


def with_8_bits(image: Image.Image, num_channels: int, is_turned: bool) -> Image.Image:
    """The image as `L` (one channel) or `RGB`; ValueError for numbers without a known white."""
    is_deep = any(";16" in str(part[3]) for part in getattr(image, "tile", ()))  # known before it is loaded alone
    image.load()
    if is_deep and image.mode in ("RGB", "RGBA", "LA"):
        _check_white(image)
    shallow = _shallow(image)
    if shallow.mode == "P" and isinstance(shallow.info.get("transparency"), bytes):
        shallow = shallow.convert("RGBA")  # the same colours; going straight to RGB Pillow warns of the transparency
    plain = shallow.convert("L" if num_channels == 1 else "RGB")
    return _turned(plain, _orientation(image)) if is_turned else plain


def _check_white(image: Image.Image) -> None:
    """Of 16 bits a channel Pillow has taken the upper 8; ValueError where nothing is in the upper 4."""
    if max(high for _, high in image.convert("RGB").getextrema()) < LEAST_WHITE >> 8:  # type: ignore[misc]
        raise ValueError(f"its 16-bit values end below {LEAST_WHITE:,}: {UNKNOWN_WHITE}")


def _turned(image: Image.Image, orientation: int) -> Image.Image:
    """As people see it: cameras store what the sensor saw, and beside it how the camera was held."""
    from PIL import Image

    ways = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    way = ways.get(orientation)
    return image if way is None else image.transpose(way)


def _orientation(image: Image.Image) -> int:
    try:
        found = image.getexif().get(ORIENTATION, 1)
    except BROKEN:  # the pixels are good all the same
        return 1
    return found if isinstance(found, int) else 1


def _shallow(image: Image.Image) -> Image.Image:
    """Pillow clips what does not fit into 8 bits."""
    from PIL import Image

    is_scaled = image.mode == "I" and image.format == "PPM"  # its reader scales to 16 bits what has more than 8
    if image.mode.startswith("I;16") or is_scaled:
        values = np.asarray(image)
        highest = int(values.max(initial=0))
        if 0 < highest < LEAST_WHITE and not is_scaled:
            raise ValueError(f"its 16-bit values end at {highest:,}: {UNKNOWN_WHITE}")
        shallow = (values >> 8).astype(np.uint8)
        return Image.fromarray(255 - shallow if _is_white_zero(image) else shallow)
    if image.mode in ("I", "F"):
        raise ValueError(f"pixels of mode {image.mode} have no known white: save the image with 8 bits a channel")
    return image


def _is_white_zero(image: Image.Image) -> bool:
    """Whether the greys of a TIFF count from white; Pillow turns those of 8 bits round, and not those of 16."""
    return getattr(image, "tag_v2", {}).get(PHOTOMETRIC) == 0
