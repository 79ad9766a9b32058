"""Data sets of images: opened, split, checked, and cut into augmented batches."""

from swc_runtime.data.batches import (
    EpochPlan,
    epoch_batches,
    epoch_reads,
    num_batches,
    own_batches,
    own_seed,
    test_batches,
)
from swc_runtime.data.folder import read_images
from swc_runtime.data.looking import PixelCheck, look_at
from swc_runtime.data.open_dataset import open_data
from swc_runtime.data.place import DataPlace, data_folder
from swc_runtime.data.splits import Dataset, Split, check_readable
from swc_runtime.data.workers import with_workers

__all__ = [
    "DataPlace",
    "Dataset",
    "EpochPlan",
    "PixelCheck",
    "Split",
    "check_readable",
    "data_folder",
    "epoch_batches",
    "epoch_reads",
    "look_at",
    "num_batches",
    "open_data",
    "own_batches",
    "own_seed",
    "read_images",
    "test_batches",
    "with_workers",
]
