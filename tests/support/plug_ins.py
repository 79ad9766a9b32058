"""Plug-in packages as an installer leaves them: a module, and metadata with an entry point."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent


def install(folder: Path, distribution: str, points: dict[str, dict[str, str]], modules: dict[str, str]) -> Path:
    """A distribution of version 1.2 in `folder`, which belongs on `sys.path`; gives the folder.

    `points` are its entry points by group and name, `modules` the texts of its modules by name.
    """
    told = folder / f"{distribution.replace('-', '_')}-1.2.dist-info"
    told.mkdir(parents=True)
    (told / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n", "utf-8")
    lines = (line for group in points for line in (f"[{group}]", *(f"{n} = {v}" for n, v in points[group].items())))
    (told / "entry_points.txt").write_text("\n".join(lines) + "\n", "utf-8")
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(dedent(text).lstrip(), "utf-8")
    return folder


NADAM = """
    from swc.registry.optimisers import OptimiserRow, StateRow
    from swc.registry.row import ArgumentRow

    row = OptimiserRow(
        name="nadam",
        words="Adam with Nesterov momentum",
        implementation="torch.optim:NAdam",
        arguments=(
            ArgumentRow("lr", "number", above=0, default=2e-3, what="a learning rate"),
            ArgumentRow("betas", "numbers", least=0, below=1, length=2, default=(0.9, 0.999)),
            ArgumentRow("eps", "number", above=0, default=1e-8),
            ArgumentRow("weight_decay", "number", least=0, default=0.0, what="weight decay"),
            ArgumentRow("momentum_decay", "number", least=0, default=4e-3),
        ),
        state=(
            StateRow(name="first_moment", key="exp_avg"),
            StateRow(name="second_moment", key="exp_avg_sq"),
            StateRow(name="steps", key="step", shape="number"),
            StateRow(name="momentum_product", key="mu_product", shape="number"),
        ),
        takes_foreach=True,
    )
"""
