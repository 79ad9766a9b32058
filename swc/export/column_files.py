"""What stands beside exported members of a table, so that they take its raw columns.

Takes what was fitted to the table; gives files, and a module of torch. Guarantees: the files need nothing of this
project: `columns.py` needs numpy, and `features.py`, which has its numbers from `column-features.pt`, torch.
"""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from swc.files.whole import fill, whole
from swc.folders.store import write_whole
from swc_runtime.data import columns
from swc_runtime.export import features

if TYPE_CHECKING:
    from swc_runtime.data.preparation import Preparation

COLUMNS, FEATURES = "columns.py", "features.py"
STATE = "column-features.pt"  # a hyphen is in no name of a member, whose state is NAME.pt
IMPORT = "from features import ColumnFeatures\n"
LOADING = '''@lru_cache(maxsize=None)
def _features(device):
    made = {call}
    made.load_state_dict(torch.load(Path(__file__).with_name("{state}"), weights_only=True))
    return made.to(device)


def features(numbers, codes):
    """What a member takes, float32 [B, {count}], of the two arrays that `columns.raw_inputs` gives, or such tensors."""
    numbers, codes = torch.as_tensor(numbers, dtype=torch.float64), torch.as_tensor(codes)
    return _features(numbers.device)(numbers, codes)


'''


def features_module(preparation: Preparation) -> features.ColumnFeatures:
    """The module that makes features of raw columns, with what was fitted."""
    import torch

    module = features.ColumnFeatures(*_sizes(preparation))
    for name, array in preparation.arrays.items():  # quantiles stand by column here, as torch's search takes them
        buffer = module.get_buffer(name)
        buffer.copy_(torch.from_numpy(array.T.copy()).reshape(buffer.shape))
    return module.eval()


def _sizes(preparation: Preparation) -> tuple[str, str, tuple[int, ...], int, int]:
    """What `ColumnFeatures` is made with. Noise is in the quantiles that were fitted, and nowhere else."""
    scheme = preparation.scheme.removeprefix("noisy_")
    num_quantiles = len(preparation.arrays.get("quantiles", ()))
    sizes = tuple(map(len, preparation.values))
    return scheme, preparation.encoding, sizes, len(preparation.numbers), num_quantiles


def features_code(preparation: Preparation) -> str:
    """The functions of `members.py` that make features of raw columns."""
    return LOADING.format(call=features_call(preparation), state=STATE, count=preparation.num_features)


def features_call(preparation: Preparation) -> str:
    """The call that makes the module that makes features, without what was fitted."""
    return f"ColumnFeatures{_sizes(preparation)!r}".replace("'", '"')


def write_columns(folder: Path) -> str:
    """Write the file that makes arrays of columns; gives its name."""
    return _copied(folder / COLUMNS, columns.__file__)


def write_features(preparation: Preparation, folder: Path) -> tuple[str, ...]:
    """Write the file that makes features of these arrays, and its numbers; gives the names of both."""
    import torch

    with whole(folder / STATE) as partial:
        kept = BytesIO()
        torch.save(features_module(preparation).state_dict(), kept)
        fill(partial, kept.getbuffer())
    return _copied(folder / FEATURES, features.__file__), STATE


def _copied(path: Path, module: str) -> str:
    write_whole(path, Path(module).read_text("utf-8"))
    return path.name


def column_notes(preparation: Preparation) -> dict[str, str]:
    """What a file says of the columns it takes: `numbers` in order, and by category its values in order, as JSON."""
    values = dict(zip(preparation.categories, preparation.values, strict=True))
    return {
        "numbers": json.dumps(list(preparation.numbers), ensure_ascii=False),
        "categories": json.dumps(values, ensure_ascii=False),
    }
