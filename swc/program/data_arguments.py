"""The arguments of data sets that have many: those of a function of the user's own, and of a table.

Guarantees: plain rows; `swc.program.datasets` says what follows from them.
"""

from __future__ import annotations

from swc.program.inputs import DTYPES
from swc.program.limits import CLASSES, INPUT_SIZE, PIXELS
from swc.program.torchvision_sets import SETS
from swc.registry.row import ArgumentRow

NUM_CLASSES = ArgumentRow("classes", "whole number", least=1, most=CLASSES)

FUNCTION = (
    ArgumentRow("function", "text"),
    NUM_CLASSES,
    ArgumentRow("shape", "shapes", least=1, most=INPUT_SIZE),
    ArgumentRow("dtype", "words", words=DTYPES, default="", what="type of numbers"),
    ArgumentRow("mean", "numbers", least=0, most=1, default=""),
    ArgumentRow("deviation", "numbers", above=0, most=1, default=""),
)
TORCHVISION = (
    ArgumentRow("set", "text", words=tuple(SETS), what="data set of torchvision"),
    ArgumentRow("size", "whole number", least=1, most=PIXELS, default=""),
)
ARRAYS = (ArgumentRow("path", "text"), NUM_CLASSES)
NUMBERS_AS = ("quantile", "noisy_quantile", "standard", "none")
CATEGORIES_AS = ("one_hot", "ordinal")
SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}  # what parts the fields of a line of CSV
DECIMALS = {"point": ".", "comma": ","}  # what parts a number from its fraction
TABLE = (
    ArgumentRow("path", "text"),
    ArgumentRow("target", "text"),
    ArgumentRow("test", "portion or text"),
    ArgumentRow("numbers", "text", words=NUMBERS_AS, default="quantile", what="way to scale numbers"),
    ArgumentRow("categories", "text", words=CATEGORIES_AS, default="one_hot", what="way to code categories"),
    ArgumentRow("categorical", "texts", default=""),
    ArgumentRow("without", "texts", default=""),
    ArgumentRow("separator", "text", words=tuple(SEPARATORS), default="", what="mark between fields"),
    ArgumentRow("decimal", "text", words=tuple(DECIMALS), default="", what="mark of a decimal"),
)
