"""How large things may be: the limits that the reference states (docs/reference/language.md, "Limits").

Each is far above what a spec of use needs, and known before anything large is read, built or trained.
"""

from __future__ import annotations

from swc.diagnostics.sources import LARGEST

TEXT_BYTES = LARGEST  # of a `.sw` file with all that it imports
FILES = 500  # that a file imports, directly or not
LEVELS = 100  # of lists in lists, imports, `extends` and policies that use policies
MISTAKES = 10_000  # of form, in a text
LIST_VALUES = 10_000  # of a list, those of the lists in it counted too
WRITTEN_OUT = 50_000  # items, values and members that a file stands for
MEMBERS = 10_000  # of an ensemble
SCALARS = 10 * 10**9  # parameters of all members together, or numbers stored for them
TENSORS = 100_000  # parameter tensors of a member
LAYERS = 200_000  # of all members together
TEMPLATES = 1_000  # of a bank
EPOCHS = 1_000_000  # of a phase
IMAGES = 1_000_000  # of a batch
CLASSES = 1_000_000  # of a folder of images
CELLS = 10_000  # runs of a sweep
PIXELS = 10_000  # of a side of an image
INPUT_SIZE = 1_000_000  # of each size of an input that is no image: features of a row, tokens of a text
SCALES = (0.001, 1000)  # by which `--epochs-scale` may multiply epochs
