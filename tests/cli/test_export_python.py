"""`swc export --format python`: the file reads well, runs by itself, and trains as the run itself would."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from attrs import evolve
from safetensors.torch import load_file, save_file
from swc.compiler.driver import Compiled, compile_file
from swc.export import python_file
from swc.export.families import family_code, family_files, import_lines
from swc.export.python_names import file_stem, names_of
from swc.export.python_source import python_source
from swc.export.python_weights import WIDTH, called, code_of, laid_out
from swc.program.expressions import Combine, Concat, Mix, Product, Resize, Scale, Slice, Stored, Sum
from swc.program.program import SlotPlan, TensorPlan
from swc.registry.families import FAMILIES
from swc.running.checkpoints import open_trained

from support.runs import Place, copied
from swc_runtime.ensemble import build
from swc_runtime.precision import Arithmetic
from swc_runtime.training.steps import Batch, StepOptions
from swc_runtime.training.steps.independent import independent
from swc_runtime.weights.expressions import evaluate

ROOT = Path(__file__).parents[2]
RULES = "E,F,W,I,UP,B,A,C4,SIM,RET,RUF100"

STEP = """
import sys
sys.modules.update(swc=None, swc_runtime=None)
sys.path.insert(0, {folder!r})
import torch
from safetensors.torch import load_file, save_file
from tiny import load, train_step

given = load_file("given.safetensors")
ensemble = load()
logits, mean = ensemble(given["images"]), ensemble.predict(given["images"])
ensemble.train()
optimiser = torch.optim.SGD(ensemble.parameters(), lr=0.01)
losses = [train_step(ensemble, optimiser, given["images"], given["labels"])]
gradients = {{name: parameter.grad.clone() for name, parameter in ensemble.named_parameters()}}
losses += [train_step(ensemble, optimiser, given["images"], given["labels"]) for _ in range(5)]
outputs = {{"logits": logits.detach(), "mean": mean, "losses": torch.tensor(losses)}}
save_file({{**outputs, **gradients}}, "found.safetensors")
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Place:
    made = copied(tmp_path_factory)
    assert made.swc("export", "--format", "python") == 0
    return made


@pytest.fixture(scope="module")
def given() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    labels = torch.randint(10, (16,), generator=generator)
    return {"images": torch.randn(16, 1, 8, 8, generator=generator), "labels": labels}


@pytest.fixture(scope="module")
def found(run: Place, given: dict[str, torch.Tensor], tmp_path_factory: pytest.TempPathFactory) -> dict:
    """What the file gives, and what its training steps leave, where this project cannot be imported."""
    place = tmp_path_factory.mktemp("alone")
    save_file(given, place / "given.safetensors")
    program = STEP.format(folder=str(run.folder / "tiny_python"))
    done = subprocess.run([sys.executable, "-B", "-c", program], cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return load_file(place / "found.safetensors")


def ensemble_of(run: Place) -> torch.nn.Module:
    return open_trained(run.build()).ensemble("cpu").eval()


def text_of(run: Place) -> str:
    return (run.folder / "tiny_python/tiny.py").read_text("utf-8")


def test_the_file_gives_the_outputs_of_the_run(run: Place, given: dict, found: dict) -> None:
    with torch.no_grad():
        expected = ensemble_of(run)(given["images"])
    torch.testing.assert_close(found["logits"], expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found["mean"], expected.softmax(-1).mean(0), rtol=1e-5, atol=1e-5)


def test_a_training_step_leaves_the_gradients_of_the_project_itself(run: Place, given: dict, found: dict) -> None:
    ensemble = ensemble_of(run).train()
    options = StepOptions(Arithmetic("cpu", torch.float32, ""))
    outcome = independent(ensemble, Batch(given["images"], given["labels"]), options)
    torch.testing.assert_close(found["losses"][0], outcome.losses.sum(), rtol=1e-5, atol=1e-5)
    names = [bank.id.replace(".", "_") for bank in ensemble.program.banks]
    assert len(names) > 1
    for name, templates, table in zip(names, ensemble.banks, ensemble.coefficients, strict=True):
        assert templates.grad.abs().max() > 0
        torch.testing.assert_close(found[f"templates.{name}"], templates.grad, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(found[f"coefficients.{name}"], table.grad, rtol=1e-4, atol=1e-5)


def test_training_steps_lower_the_loss(found: dict) -> None:
    losses = found["losses"].tolist()
    assert losses[-1] < losses[0], losses


def test_running_the_file_trains(run: Place, tmp_path: Path) -> None:
    command = [sys.executable, str(run.folder / "tiny_python/tiny.py")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    losses = [float(line.rpartition(" ")[2]) for line in done.stdout.splitlines()]
    assert len(losses) == 10 and losses[-1] < losses[0]


def test_the_folder_holds_the_file_its_tensors_and_a_card(run: Place) -> None:
    folder = run.folder / "tiny_python"
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "tiny.py", "tiny.safetensors"]
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert run.swc("export", "--format", "python", "-o", "again") == 0
    assert {path.name: path.read_bytes() for path in (run.folder / "again").iterdir()} == first


def test_every_weight_is_written_with_what_it_is_made_of(run: Place) -> None:
    program, text = run.build().revisions[-1].program, text_of(run)
    for weight in program.weights:
        assert text.count(f'"{weight.path}": ') >= 1
    assert len(re.findall(r"^        \"\S+\.weight\": (?:block|weight_[0-9x_]+)\(", text, re.M)) == len(program.weights)
    assert "deep     wrn(depth: 16, width: 1)" in text
    assert "import swc" not in text and "from swc" not in text
    assert max(map(len, text.splitlines())) <= WIDTH and len(text.splitlines()) < 500


def test_a_chosen_member_takes_only_what_it_reads(run: Place) -> None:
    assert run.swc("export", "--format", "python", "--members", "shallow", "-o", "one") == 0
    one, all_ = (load_file(run.folder / name / "tiny.safetensors") for name in ("one", "tiny_python"))
    assert {name for name in one if name.startswith("members.")} == {
        name for name in all_ if name.startswith("members.shallow.")
    }
    assert sum(tensor.numel() for tensor in one.values()) < sum(tensor.numel() for tensor in all_.values())
    names = [name for name in one if name.startswith("coefficients.")]
    assert any(len(one[name]) < len(all_[name]) for name in names), "vectors of the other member are there"


OWN = """
from torch import nn


def small(num_classes):
    return nn.Sequential(nn.Conv2d(1, 8, 3), nn.Flatten(), nn.Linear(288, num_classes))
"""


def test_members_of_own_factories_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "own_exported_net.py").write_text(OWN, encoding="utf-8")
    made = Place(tmp_path)
    spec = (
        'import "digits.sw"\n\nensemble tiny {\n  data digits\n  member net = python("own_exported_net:small")\n'
        "  budget unlimited\n  share conv\n  train digits {\n    phase main: 1 epochs\n  }\n}\n"
    )
    assert made.compile(spec) == 0 and made.train() == 0
    assert made.swc("export", "--format", "python") == 1
    assert "error[SW664]: member `net` is made by your own factory `own_exported_net:small`" in capsys.readouterr().err
    assert not (tmp_path / "tiny_python").exists()


def test_a_file_that_does_not_run_is_not_kept(
    run: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(python_file, "python_source", lambda *_: "import swc\n")
    assert run.swc("export", "--format", "python", "-o", "broken") == 1
    assert "error[SW665]: `broken/tiny.py` does not run by itself: ModuleNotFoundError" in capsys.readouterr().err
    assert [path.name for path in run.folder.iterdir() if path.name.startswith("broken")] == []


def source_of(compiled: Compiled) -> str:
    return python_source(compiled.program, compiled.graph, compiled.program.members)


EVERY = """
import "cifar.sw"

ensemble class_of_all {
  data cifar10
  member a[2] = wrn(depth: 10, width: 0.5)
  member r = resnet(depth: 26, width: 0.25)
  member m = mobilenet_v2(width: 0.25)
  member t = torchvision("mobilenet_v2")
  budget unlimited
  share conv
}
"""
HARD = """
ensemble random {
  data digits
  member a = wrn(depth: 10, width: 1)
  member b = wrn(depth: 16, width: 1)
  budget unlimited
  share conv as hard
}
"""


UNLIKE = """
ensemble unlike {
  data digits
  member a = wrn(depth: 10, width: 2)
  member b = wrn(depth: 10, width: 1)
  budget 400k templates
  share conv {
    clusters by depth in 2 bins
    coefficients by partner
    initialisation START
  }
}
"""


def unlike(folder: Path, start: str) -> Compiled:
    (folder / f"{start}.sw").write_text(UNLIKE.replace("START", start), encoding="utf-8")
    return compile_file(folder / f"{start}.sw")


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """For a spec with every family and a model of torchvision, one with stored tensors, and the quickstart."""
    folder = tmp_path_factory.mktemp("specs")
    found = {"quickstart": source_of(compile_file(ROOT / "specs/quickstart.sw"))}
    for name, text in (("every", EVERY), ("hard", HARD)):
        (folder / f"{name}.sw").write_text(text, encoding="utf-8")
        found[name] = source_of(compile_file(folder / f"{name}.sw"))
    return found | {start: source_of(unlike(folder, start)) for start in ("gains", "scaled")}


@pytest.mark.parametrize("start", ["kaiming", "gains", "scaled"])
def test_weights_are_those_of_the_runtime_wherever_the_layers_variance_comes_from(tmp_path: Path, start: str) -> None:
    compiled = unlike(tmp_path, start)
    text = source_of(compiled)
    assert (("ROWS = {" in text), ("NORMS = {" in text)) == (start == "gains", start == "scaled")
    scope: dict = {"__name__": "made", "__file__": "made.py"}
    exec(compile(text, "made.py", "exec"), scope)
    ours, theirs = build(compiled.program, dtype=torch.float64), scope["Ensemble"]().double()
    parts = zip(ours.plan.banks, ours.banks, ours.coefficients, strict=True)
    for bank, templates, table in parts:
        name = bank.id.replace(".", "_")
        fresh = theirs.coefficients[name]
        torch.testing.assert_close(fresh.norm(dim=1), table.norm(dim=1), rtol=1e-6, atol=1e-6)
        theirs.templates[name].data.copy_(templates)
        fresh.data.copy_(table)
    found = theirs.weights()
    for plan, weight in zip(ours.weights, ours.compose(), strict=True):
        torch.testing.assert_close(found[plan.member][plan.path], weight, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["quickstart", "every", "hard", "gains", "scaled"])
def test_the_file_is_clean_and_laid_out_by_the_formatter(texts: dict[str, str], name: str, tmp_path: Path) -> None:
    (tmp_path / "made.py").write_text(texts[name], encoding="utf-8")
    ruff = [sys.executable, "-m", "ruff"]
    options = ["--isolated", "--line-length", "120", "--target-version", "py311", "--no-cache", "made.py"]
    for command in (["check", "--select", RULES], ["format", "--diff"]):
        done = subprocess.run([*ruff, *command, *options], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_no_name_is_defined_in_two_ways(texts: dict[str, str]) -> None:
    seen: dict[str, str] = {}
    for node in ast.parse(texts["every"]).body:
        targets = node.targets if isinstance(node, ast.Assign) else [node]
        for target in targets:
            name = getattr(target, "id", None) or getattr(target, "name", None)
            if name is not None:
                assert seen.setdefault(name, ast.dump(node)) == ast.dump(node), name


def test_families_stand_on_their_own() -> None:
    for family in (row.name for row in FAMILIES.rows if not row.is_joint):  # what `--format python` writes
        code = family_code(family)
        assert code.title.endswith(".")
        assert f"def {family}(" in code.body and "import" not in code.body
        assert not [module for module, _, _ in code.imports if module.startswith("swc")]


@pytest.mark.parametrize("family", FAMILIES.names)
def test_the_files_of_a_family_import_each_other_alone(family: str) -> None:
    files = family_files(family)
    assert f"def {family}(" in files[f"{family}.py"]
    for text in files.values():
        imports = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)]
        outside = {str(node.module).partition(".")[0] for node in imports if f"{node.module}.py" not in files}
        assert outside <= {*sys.stdlib_module_names, "torch", "torchvision"}


def test_imports_are_sorted() -> None:
    found = import_lines(
        [("torch", "nn", ""), ("torch", "Tensor", ""), ("torch", "", ""), ("math", "sqrt", ""), ("t.n", "f", "F")],
        frozenset(("math",)),
    )
    assert found == "from math import sqrt\n\nimport torch\nfrom t.n import f as F\nfrom torch import Tensor, nn"


def test_names_are_identifiers_that_nothing_else_has(texts: dict[str, str]) -> None:
    assert [file_stem(name) for name in ("tiny", "random", "torch", "class")] == [
        "tiny",
        "random_ensemble",
        "torch_ensemble",
        "class_",
    ]
    assert "def weights_of_a_0(" in texts["every"] and "def weights_of_a_1(" in texts["every"]


def test_code_does_what_the_runtime_does_with_every_expression(run: Place) -> None:
    """Slices, modulations, mixing and resizing too, which no member of the run has."""
    program = run.build().revisions[-1].program
    bank = program.banks[0]
    shape = (2, 2, 3, 3)
    slot = SlotPlan("s", "deep", bank.id, program.slots[0].coefficient)
    block = Combine("s", 5, shape)
    expressions = [
        Slice(Concat(0, (block, Combine("s", 0, shape))), (3, 1, 3, 3)),
        Scale(Concat(1, (block, block)), "t.o", "t.i"),
        Mix(Stored("t.w", (4, 3, 3, 3)), "t.o", 90, (2, 3, 2, 2)),
        Mix(Stored("t.w", (4, 3, 3, 3)), "t.o", 0, (2, 3, 3, 3), softmax=True),
        Sum((Stored("t.w", (4, 3, 3, 3)), Product(Stored("t.l", (4, 2)), Stored("t.r", (2, 27)), (4, 3, 3, 3), 0.5))),
        *(
            Resize(Stored("t.w", (4, 3, 3, 3)), (2, 5, 3, 3), mode)
            for mode in ("bilinear", "average", "repeat", "mask")
        ),
    ]
    tensors = (
        *(TensorPlan("t.o", (2,), 1), TensorPlan("t.i", (4,), 1), TensorPlan("t.w", (4, 3, 3, 3), 27)),
        *(TensorPlan("t.l", (4, 2), 1), TensorPlan("t.r", (2, 27), 1)),
    )
    weights = tuple(
        evolve(program.weights[0], path=f"w{n}.weight", expression=expression, shape=(1,))
        for n, expression in enumerate(expressions)
    )
    made = evolve(program, slots=(slot,), tensors=tensors, weights=weights, members=program.members[:1])
    text = python_source(made, run.build().revisions[-1].graph, made.members)
    scope: dict = {"__name__": "made", "__file__": "made.py"}
    exec(compile(text, "made.py", "exec"), scope)
    generator = torch.Generator().manual_seed(0)
    row = torch.randn(bank.template_size, generator=generator)
    stored = {plan.id: torch.randn(plan.shape, generator=generator) for plan in tensors}
    w = type("W", (), {bank.id.replace(".", "_"): [row], **{n.replace(".", "_"): t for n, t in stored.items()}})
    weights_found = scope["weights_of_deep"](w)
    for number, expression in enumerate(expressions):
        torch.testing.assert_close(weights_found[f"w{number}.weight"], evaluate(expression, {"s": row}, stored))
    assert called(code_of(expressions[1], names_of(made, made.members))) == {"scaled", "along_inputs", "block"}


def test_what_is_too_long_is_broken_up(run: Place) -> None:
    program = run.build().revisions[-1].program
    names = names_of(program, program.members)
    part = program.weights[0].expression
    lines = laid_out(code_of(Concat(0, (Concat(1, (part,) * 4), part)), names), 2, '"long": ')
    assert lines[0] == '        "long": along_outputs(' and lines[-1] == "        ),"
    assert all(len(line) <= WIDTH for line in lines)


@pytest.mark.slow
def test_the_guide_runs_and_prints_what_it_says(run: Place) -> None:
    """Its examples are of the quickstart; here they are run on a smaller ensemble of other names."""
    page = (ROOT / "docs/how-to/use_an_exported_model.md").read_text("utf-8")
    for form in ("onnx", "torch", "torch-export"):
        assert run.swc("export", "--format", form) == 0
    program = "\n".join(re.findall(r"^```python\n(.*?)^```", page, re.M | re.S)).replace("quickstart", "tiny")
    head = "import sys\nsys.modules.update(swc=None, swc_runtime=None)\n"
    command = [sys.executable, "-W", "error::FutureWarning", "-c", head + program]
    done = subprocess.run(command, cwd=run.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "".join(re.findall(r"^```text\n(.*?)^```", page, re.M | re.S))
