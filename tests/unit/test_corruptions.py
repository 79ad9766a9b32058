"""The 19 corruptions: published constants, shapes and seeds, and some of them computed in another way."""

from __future__ import annotations

import colorsys
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import convolve, zoom
from swc.corrupt import blur, noise, weather
from swc.corrupt.corrupt import corrupted, corrupted_images, generator_of
from swc.corrupt.filters import LUMA, magnified, smoothed, streaked
from swc.corrupt.pictures import FILES, frost_pictures
from swc.corrupt.published import CORRUPTIONS, SEVERITIES, STANDARD, TYPES
from swc.corrupt.spatter import MUD, spatter

# where a higher severity is no larger distance, by the published constants themselves
NOT_MONOTONE = {"glass_blur", "frost", "elastic_transform", "spatter", "saturate"}


def scenes(count: int = 24, side: int = 32, channels: int = 3) -> np.ndarray:
    """Smooth coloured blobs with edges, as natural images have them."""
    draw = np.random.default_rng(7)
    rough = smoothed(draw.normal(size=(side, side, count * channels)), 3)
    levels = np.clip(128 + 500 * rough, 0, 255)
    levels[side // 2 :, : side // 3] = 255 - levels[side // 2 :, : side // 3]
    return np.ascontiguousarray(levels.reshape(side, side, count, channels).transpose(2, 0, 1, 3)).astype(np.uint8)


def test_the_registry_is_that_of_the_benchmark() -> None:
    assert len(TYPES) == 19 and len(STANDARD) == 15
    assert TYPES[15:] == ("speckle_noise", "gaussian_blur", "spatter", "saturate")
    assert all(len(found.constants) == 5 for found in CORRUPTIONS.values())
    assert [values[0] for values in CORRUPTIONS["jpeg_compression"].constants] == [80, 65, 58, 50, 40]


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize(("side", "channels"), [(32, 3), (8, 1), (28, 1), (45, 3)])
def test_every_type_keeps_shape_and_kind_and_depends_on_its_key_alone(name: str, side: int, channels: int) -> None:
    images = scenes(3, side, channels)
    before = images.copy()
    for severity in (1, 3, 4, 5):
        made = corrupted_images(images, name, severity, seed=0, first=10)
        assert made.shape == images.shape and made.dtype == np.uint8
        assert np.array_equal(made[2:], corrupted_images(images[2:], name, severity, seed=0, first=12))
    assert np.array_equal(images, before)


@pytest.mark.parametrize("name", TYPES)
def test_types_that_draw_differ_by_seed_and_number(name: str) -> None:
    image = scenes(1)[0]
    made = [
        corrupted(image, name, 4, generator_of(*key)) for key in ((0, name, 4, 0), (1, name, 4, 0), (0, name, 4, 1))
    ]
    plain = {"defocus_blur", "zoom_blur", "brightness", "contrast", "pixelate", "jpeg_compression"}
    draws = name not in plain | {"gaussian_blur", "saturate"}
    assert [np.array_equal(made[0], other) for other in made[1:]] == [not draws, not draws]


@pytest.mark.parametrize("name", TYPES)
def test_a_higher_severity_is_further_from_the_image(name: str) -> None:
    images = scenes()
    far = [
        np.abs(corrupted_images(images, name, severity, 0, 0).astype(float) - images).mean() for severity in SEVERITIES
    ]
    assert far[0] > 0.1
    if name not in NOT_MONOTONE:
        assert far == sorted(far), far


def test_what_cannot_be_corrupted_is_refused() -> None:
    image = scenes(1)[0]
    draw = np.random.default_rng(0)
    for wrong in (("rain", 1), ("fog", 0), ("fog", 6)):
        with pytest.raises(ValueError, match="no corruption"):
            corrupted(image, *wrong, draw)
    with pytest.raises(ValueError, match="cannot be corrupted"):
        corrupted(image[:7], "fog", 1, draw)
    with pytest.raises(ValueError, match="cannot be corrupted"):
        corrupted(image[..., :2], "fog", 1, draw)


def flat(level: int, side: int = 64) -> np.ndarray:
    return np.full((side, side, 3), level, np.uint8)


def test_noise_has_the_moments_that_it_says() -> None:
    draw = np.random.default_rng(0)
    image = flat(128)
    found = noise.gaussian_noise(image, draw, 0.1)
    assert found.mean() == pytest.approx(128, abs=1) and found.std() == pytest.approx(25.5, rel=0.03)
    found = noise.speckle_noise(image, draw, 0.2)
    assert found.mean() == pytest.approx(128, abs=1) and found.std() == pytest.approx(0.2 * 128, rel=0.03)
    found = noise.shot_noise(image, draw, 50)
    assert found.mean() == pytest.approx(128, abs=1)
    assert found.std() == pytest.approx(255 * np.sqrt(128 / 255 / 50), rel=0.03)
    found = noise.impulse_noise(image, draw, 0.07)
    assert (found != 128).mean() == pytest.approx(0.07, abs=0.01)
    assert (found == 255).sum() / (found != 128).sum() == pytest.approx(0.5, abs=0.06)


def test_brightness_and_saturation_are_those_of_python_itself() -> None:
    image = scenes(1)[0]
    for name, change in (
        ("brightness", lambda h, s, v: (h, s, min(1.0, v + 0.2))),
        ("saturate", lambda h, s, v: (h, min(1.0, 2 * s + 0.1), v)),
    ):
        wanted = [
            [255 * part for part in colorsys.hsv_to_rgb(*change(*colorsys.rgb_to_hsv(*(pixel / 255))))]
            for pixel in image.reshape(-1, 3)
        ]
        made = corrupted(image, name, 4, np.random.default_rng(0)).reshape(-1, 3)
        assert np.abs(made + 0.5 - np.array(wanted)).max() <= 0.5 + 1e-6  # the lower of two levels


def test_contrast_is_about_the_mean_of_each_channel() -> None:
    image = scenes(1)[0]
    made = corrupted(image, "contrast", 5, np.random.default_rng(0))
    for channel in range(3):
        mean = image[..., channel].mean()
        wanted = mean + 0.15 * (image[..., channel] - mean)
        assert np.abs(made[..., channel] + 0.5 - wanted).max() <= 0.5 + 1e-6


@pytest.mark.parametrize(("severity", "quality"), [(1, 80), (5, 40)])
def test_jpeg_is_pillows(severity: int, quality: int) -> None:
    image = scenes(1)[0]
    stream = BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=quality)
    made = corrupted(image, "jpeg_compression", severity, np.random.default_rng(0))
    assert np.array_equal(made, np.asarray(Image.open(stream)))


def test_pixelate_takes_means_over_boxes() -> None:
    """A quarter of the size and back: every 4 x 4 box its mean."""
    from swc.corrupt.digital import pixelate

    image = scenes(1)[0]
    made = pixelate(image, np.random.default_rng(0), 0.25)
    means = image.reshape(8, 4, 8, 4, 3).mean(axis=(1, 3)).repeat(4, 0).repeat(4, 1)
    assert np.abs(made - means).max() <= 1


def test_defocus_is_the_published_convolution() -> None:
    image = scenes(1)[0].astype(float)
    grid = np.arange(-8, 9)
    disk = (grid[:, None] ** 2 + grid**2 <= 1.5**2).astype(float)
    disk /= disk.sum()
    taps = np.exp(-np.array([1.0, 0.0, 1.0]) / (2 * 0.1**2))
    kernel = convolve(disk, np.outer(taps, taps) / taps.sum() ** 2, mode="constant")
    wanted = np.stack([convolve(image[..., c], kernel, mode="mirror") for c in range(3)], axis=2)
    made = blur.defocus_blur(image.astype(np.uint8), np.random.default_rng(0), 1.5, 0.1)
    assert made == pytest.approx(wanted, abs=1e-9)


def test_glass_moves_pixels_as_the_published_loop_does() -> None:
    image = scenes(1)[0]
    made = blur._shaken(image, np.random.default_rng(3))
    up, left = np.random.default_rng(3).integers(0, 2, size=(2, 30, 30))
    wanted = image.copy()
    for row in range(31, 1, -1):
        for column in range(31, 1, -1):
            wanted[row, column] = wanted[row - up[row - 2, column - 2], column - left[row - 2, column - 2]]
    assert np.array_equal(made, wanted)


@pytest.mark.parametrize("factor", [1, 1.07, 1.25, 1.75, 2.25])
def test_an_image_is_magnified_as_scipy_does_it(factor: float) -> None:
    image = scenes(1)[0] / 255
    part = int(np.ceil(32 / factor))
    start = (32 - part) // 2
    enlarged = zoom(image[start : start + part, start : start + part], (factor, factor, 1), order=1)
    start = (len(enlarged) - 32) // 2
    assert magnified(image, factor) == pytest.approx(enlarged[start : start + 32, start : start + 32])
    assert magnified(image[..., 0], factor) == pytest.approx(enlarged[start : start + 32, start : start + 32, 0])


def test_a_streak_goes_one_way_and_keeps_the_light() -> None:
    image = np.zeros((33, 33))
    image[16, 16] = 1
    made = streaked(image, 6, 2.0, angle=0)
    taps = np.exp(-(np.arange(13) ** 2) / 8)
    assert made[16, 16::-1][:13] == pytest.approx(taps / taps.sum())
    assert made.sum() == pytest.approx(1) and (np.nonzero(made)[0] == 16).all()
    slanted = streaked(image, 6, 2.0, angle=45)
    assert sorted(zip(*np.nonzero(slanted), strict=True))[-1] == (16, 16)


def test_clouds_are_made_pixel_by_pixel_as_published() -> None:
    size, decay = 16, 1.75
    draw = np.random.default_rng(0)
    heights = np.zeros((size, size))
    step, disturbance = size, 100.0
    while step >= 2:
        half = step // 2
        diagonal = [(-half, -half), (-half, half), (half, -half), (half, half)]
        straight = [(-half, 0), (half, 0), (0, -half), (0, half)]
        for top, left, near in ((half, half, diagonal), (0, half, straight), (half, 0, straight)):
            drawn = iter(draw.uniform(-disturbance, disturbance, (size // step) ** 2))
            for row in range(top, size, step):
                for column in range(left, size, step):
                    mean = np.mean([heights[(row + r) % size, (column + c) % size] for r, c in near])
                    heights[row, column] = mean + disturbance * next(drawn)
        step, disturbance = half, disturbance / decay
    wanted = (heights - heights.min()) / np.ptp(heights)
    assert weather.plasma(size, decay, np.random.default_rng(0)) == pytest.approx(wanted)


def test_frost_lays_a_window_of_a_picture_over_the_image() -> None:
    assert len(FILES) == len(frost_pictures()) == 6
    image = flat(0, 32)
    draw, again = (generator_of(0, "frost", 1, 5) for _ in range(2))
    made = weather.frost(image, draw, 1, 1)
    reduced = frost_pictures()[again.integers(5)][2::5, 2::5]
    top, left = (again.integers(reduced.shape[axis] - 32) for axis in (0, 1))
    assert np.array_equal(made, reduced[top : top + 32, left : left + 32])


def test_large_images_get_frost_too() -> None:
    assert weather.frost(flat(0, 400), np.random.default_rng(0), 1, 1).shape == (400, 400, 3)


def test_mud_is_brown_and_water_is_bright() -> None:
    image = flat(100, 32)
    muddy = spatter(image, np.random.default_rng(0), 0.65, 0.1, 0.5, 0.6, 0.3, 1)
    covered = np.abs(muddy - 255 * MUD).max(axis=2) < 1
    assert 0.3 < covered.mean() < 0.9 and (np.abs(muddy - 100).max(axis=2) < 1e-9).any()
    wet = spatter(image, np.random.default_rng(0), 0.65, 0.3, 1, 0.69, 0.5, 0)
    assert (wet >= 100 - 1e-9).all()
    assert (wet[..., 1] - 100).max() == pytest.approx(0.5 * 238, abs=1e-6)
    dry = spatter(image, np.random.default_rng(0), 0.1, 0.01, 1, 0.69, 0.5, 0)
    assert np.array_equal(np.rint(dry), image)


def test_grey_images_keep_the_luma_of_what_colours_become() -> None:
    grey = scenes(1, 8, 1)[0]
    made = corrupted(grey, "frost", 3, generator_of(0, "frost", 3, 0))
    coloured = weather.frost(np.repeat(grey, 3, axis=2), generator_of(0, "frost", 3, 0), 0.9, 0.4)
    assert np.array_equal(made[..., 0], np.floor(np.clip(coloured, 0, 255) @ LUMA))
