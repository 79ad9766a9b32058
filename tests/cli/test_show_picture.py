"""The picture: its bytes are stable, it draws every layer, and its colours can be told apart."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

from matplotlib.patches import Rectangle
from swc.show.palette import ALONE, HUES, LOOKS, looks
from swc.show.picture import draw, panels_of, picture
from swc.show.revision import Revision

from support.graphs import small_graph, small_spec, striped_graph

SMALL = (Revision(0, "search", small_graph()), Revision(1, "main", small_graph(tied=False, revision=1)))
DRAW = """
import hashlib
from support.graphs import small_graph, small_spec
from swc.show.picture import picture
from swc.show.revision import Revision
print(hashlib.sha256(picture((Revision(0, "search", small_graph()),), small_spec(), "svg")).hexdigest())
"""


def digest(seed: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", DRAW], env=environment, capture_output=True, text=True, check=True)
    return done.stdout


def test_svg_has_the_same_bytes_under_any_hash_seed() -> None:
    assert digest("1") == digest("2")


def test_svg_carries_no_date_and_no_version() -> None:
    first = picture(SMALL, small_spec(), "svg")
    assert first == picture(SMALL, small_spec(), "svg")
    assert b"dc:date" not in first
    assert b"Matplotlib" not in first


def test_png_is_a_png() -> None:
    assert picture(SMALL, small_spec(), "png").startswith(b"\x89PNG\r\n")


def test_every_layer_has_a_cell_and_every_group_an_entry() -> None:
    revision = Revision(0, "", striped_graph({"deep": 54, "flat": 28}, 4, alone=3))
    (axes,) = draw((revision,), small_spec()).axes
    boxes = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    assert len(boxes) == 54 + 28 + 4 + 1  # and one entry for all that stand alone


def test_cells_stay_inside_the_picture_and_apart() -> None:
    figure = draw((Revision(0, "", striped_graph({"deep": 54}, 4)),), small_spec())
    boxes = [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)][:54]
    edges = [(box.get_x(), box.get_x() + box.get_width()) for box in boxes]
    assert edges[-1][1] < figure.get_figwidth()
    assert all(right < left for (_, right), (left, _) in pairwise(edges))


def test_an_untie_does_not_repeat_the_legend() -> None:
    first, second = panels_of(SMALL)
    assert first.legend
    assert second.legend == ()
    assert set(first.letters) == {"wide.conv0", "thin.conv0"}
    assert second.letters == {}


def test_looks_are_distinct_and_singletons_plain() -> None:
    (worn,) = looks((striped_graph({"a": 60, "b": 60}, 12, alone=4),))
    grouped = [look for look in worn.values() if look != ALONE]
    assert len(grouped) == len(set(grouped)) == 12
    assert list(worn.values()).count(ALONE) == 8
    assert len(set(LOOKS)) == 2 * len(HUES)


def test_a_cluster_hands_its_look_to_its_largest_part() -> None:
    before, after = striped_graph({"a": 12}, 2), striped_graph({"a": 12}, 4)
    old, new = looks((before, after))
    inherited = [look for look in new.values() if look in old.values()]
    assert sorted(look.fill for look in inherited) == sorted(look.fill for look in old.values())
    assert len(set(new.values())) == 4


def test_more_clusters_than_looks_are_still_numbered() -> None:
    (worn,) = looks((striped_graph({"a": 80}, 40),))
    assert len(worn) == 40
