"""Ensembles of four WRN-16-2 as different libraries train them, behind one interface.

Takes a system's name; gives its parameters, a training pass, and logits. Guarantees: members are the runtime's own WRN
wherever a system takes any module; every training pass leaves the gradients of the sum of the members' mean losses,
each member seeing every image of the batch; every optimiser is SGD with Nesterov momentum over all parameters at once.

Shapes: M members, B images, C channels, H x W pixels, N classes.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import torch
import torch.nn.functional as F
from attrs import field, frozen
from swc.compiler.driver import compile_file
from swc.program.program import Program
from swc.program.training import Optimiser, Recipe
from torch import Tensor, nn

from benchmarks.device import DEVICE
from swc_runtime import build
from swc_runtime.models.wrn import wrn
from swc_runtime.precision import choose_arithmetic
from swc_runtime.training.optimiser import make_optimiser
from swc_runtime.training.steps import STEPS, Batch, StepOptions

SPEC = Path(__file__).parent / "specs" / "peers.sw"
NUM_MEMBERS, DEPTH, WIDTH, NUM_CLASSES = 4, 16, 2, 100
SETTINGS = Optimiser.of(lr=1e-3)  # the images are noise: a small rate, so that nothing diverges
ALPHA, GAMMA = 2.0, 1  # of Packed-Ensembles, its authors' usual choice


@frozen(eq=False)
class System:
    """An ensemble: what is trained, how a batch leaves its gradients, and logits [M, B, N] of images [B, C, H, W].

    `backward` takes images and labels [B], and gives the sum of the members' losses. `counted` gives logits without
    what is done once for a batch however large (composition); None: as `logits`.
    """

    modules: nn.Module
    optimiser: torch.optim.Optimizer
    backward: Callable[[Tensor, Tensor], Tensor]
    logits: Callable[[Tensor], Tensor]
    counted: Callable[[Tensor], Tensor] | None = field(default=None)

    @property
    def num_parameters(self) -> int:
        """The scalars that the optimiser changes."""
        return sum(p.numel() for group in self.optimiser.param_groups for p in group["params"])


def program(side: str) -> Program:
    """`shared` or `plain`."""
    return compile_file(SPEC, ensemble=side).program


def ours(side: str) -> System:
    """An ensemble of this compiler, trained by its own step."""
    ensemble = build(program(side), device=DEVICE)
    optimiser = make_optimiser(ensemble, Recipe("benchmark", optimiser=SETTINGS, precision="float32"))
    run, options = STEPS[ensemble.program.step.name], StepOptions(choose_arithmetic("float32", DEVICE))

    def backward(images: Tensor, labels: Tensor) -> Tensor:
        return run(ensemble, Batch(images, labels), options).losses.sum()

    def counted(images: Tensor) -> Tensor:
        return torch.cat([ensemble.run(network, images) for network in ensemble.networks])  # inside `composed()`

    return System(ensemble, optimiser, backward, ensemble, counted)


def loop() -> System:
    """Independent modules, forward and backward one after another."""
    members = nn.ModuleList(plain_members()).to(DEVICE, memory_format=torch.channels_last)

    def backward(images: Tensor, labels: Tensor) -> Tensor:
        losses = []
        for member in members:
            loss = F.cross_entropy(member(images), labels)
            loss.backward()
            losses.append(loss.detach())
        return torch.stack(losses).sum()

    def logits(images: Tensor) -> Tensor:
        return torch.stack([member(images) for member in members])

    return System(members, sgd(members.parameters()), backward, logits)


def vmapped() -> System:
    """The same modules with their parameters stacked, run as one by `torch.func.vmap`.

    BatchNorm's running statistics are stacked likewise, so that it counts in place, for each member its own. Stacked
    weights have five dimensions and so cannot lie channels-last.
    """
    members = [member.to(DEVICE) for member in plain_members()]
    stacked, buffers = torch.func.stack_module_state(members)
    parameters = {name: p.detach().requires_grad_() for name, p in stacked.items()}
    base = copy.deepcopy(members[0]).to("meta")

    def one(own: dict[str, Tensor], counts: dict[str, Tensor], images: Tensor) -> Tensor:
        return torch.func.functional_call(base, (own, counts), (images,))

    def logits(images: Tensor) -> Tensor:
        return torch.vmap(one, in_dims=(0, 0, None))(parameters, buffers, images)

    return System(base, sgd(parameters.values()), partial(_at_once, logits), logits)


def deep_ensemble() -> System:
    """torch-uncertainty's deep ensemble around the same modules: all forward, then one backward."""
    from torch_uncertainty.methods import deep_ensembles

    return _whole(deep_ensembles(plain_members()))


def batch_ensemble() -> System:
    """torch-uncertainty's BatchEnsemble, every image repeated for every member.

    Its layers stand in for the convolutions and the classifier of one WRN. They are put in here, as the wrapper's own
    `convert_layers` does not reach modules inside modules. BatchNorm is one for all members.
    """
    from torch_uncertainty.layers import BatchConv2d, BatchLinear
    from torch_uncertainty.methods import batch_ensemble as wrapped

    core = plain_members()[0]
    for name, module in list(core.named_modules()):
        if isinstance(module, nn.Conv2d):
            core.set_submodule(name, BatchConv2d.from_conv2d(module, NUM_MEMBERS))
        elif isinstance(module, nn.Linear):
            core.set_submodule(name, BatchLinear.from_linear(module, NUM_MEMBERS))
    return _whole(wrapped(core, NUM_MEMBERS, repeat_training_inputs=True))


def mimo(depth: int = DEPTH, width: int = WIDTH) -> System:
    """torch-uncertainty's MIMO: one network whose input is M images and whose output is M predictions.

    In training, each member sees the batch in an order of its own.
    """
    from torch_uncertainty.models.classification.wideresnet.mimo import _MIMOWideResNet

    model = _MIMOWideResNet(depth, width, num_estimators=NUM_MEMBERS, **_shape())
    system = _whole(model)

    def backward(images: Tensor, labels: Tensor) -> Tensor:
        orders = [torch.randperm(len(labels), device=labels.device) for _ in range(NUM_MEMBERS)]
        logits = model(torch.cat([images[order] for order in orders]))
        return _pushed(logits, torch.cat([labels[order] for order in orders]), len(labels))

    return System(model, system.optimiser, backward, system.logits)


def packed(alpha: float = ALPHA, width: int = WIDTH) -> System:
    """torch-uncertainty's Packed-Ensembles: M narrow members in one network of grouped convolutions."""
    from torch_uncertainty.models.classification.wideresnet.packed import _PackedWideResNet

    return _whole(_PackedWideResNet(DEPTH, width, num_estimators=NUM_MEMBERS, alpha=alpha, gamma=GAMMA, **_shape()))


def _shape() -> dict[str, object]:
    """The arguments that make the peers' own WRN like ours: for small images, without biases or dropout."""
    from torch_uncertainty.models.classification.resnet.utils import ResNetStyle

    small = ResNetStyle.CIFAR
    return {"in_channels": 3, "num_classes": NUM_CLASSES, "conv_bias": False, "dropout_rate": 0.0, "style": small}


def plain_members() -> list[nn.Module]:
    """The members that share nothing, the same ones at every call."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return [wrn(NUM_CLASSES, (3, 32, 32), depth=DEPTH, width=WIDTH) for _ in range(NUM_MEMBERS)]


def sgd(parameters: Iterable[Tensor]) -> torch.optim.SGD:
    """The optimiser of every system that is not ours, by the same kernels."""
    return torch.optim.SGD(
        list(parameters),
        lr=SETTINGS.lr,
        momentum=SETTINGS.number("momentum"),
        nesterov=bool(SETTINGS.values["nesterov"]),
        weight_decay=SETTINGS.number("weight_decay"),
        **({"fused": True} if DEVICE == "cuda" else {"foreach": True}),
    )


def _whole(model: nn.Module) -> System:
    """A model that gives logits [M * B, N], member by member, in training as well."""
    model = model.to(DEVICE).to(memory_format=torch.channels_last)

    def logits(images: Tensor) -> Tensor:
        return model(images).unflatten(0, (NUM_MEMBERS, -1))

    return System(model, sgd(model.parameters()), partial(_at_once, logits), logits)


def _at_once(logits: Callable[[Tensor], Tensor], images: Tensor, labels: Tensor) -> Tensor:
    return _pushed(logits(images).flatten(0, 1), labels.repeat(NUM_MEMBERS), len(labels))


def _pushed(logits: Tensor, labels: Tensor, num_images: int) -> Tensor:
    """Backward of the sum of the members' mean losses, for logits [M * B, N] and labels [M * B]."""
    loss = F.cross_entropy(logits, labels, reduction="sum") / num_images
    loss.backward()
    return loss.detach()


@frozen
class Entry:
    """A system in the table: how it is made, and whether it needs the peers' environment."""

    make: Callable[[], System]
    needs_peers: bool = False


SYSTEMS: dict[str, Entry] = {
    "loop": Entry(loop),
    "shared": Entry(partial(ours, "shared")),
    "plain": Entry(partial(ours, "plain")),
    "vmap": Entry(vmapped),
    "deep_ensembles": Entry(deep_ensemble, needs_peers=True),
    "batch_ensemble": Entry(batch_ensemble, needs_peers=True),
    "mimo": Entry(mimo, needs_peers=True),
    "mimo_equal": Entry(partial(mimo, 22, 3), needs_peers=True),  # as near as whole widths come: 2.7% above
    "packed": Entry(packed, needs_peers=True),
    "packed_equal": Entry(partial(packed, 3.5), needs_peers=True),  # 2.0% below
}


def has_peers() -> bool:
    """Whether torch-uncertainty is installed here."""
    return find_spec("torch_uncertainty") is not None


def available() -> tuple[str, ...]:
    """The names of the systems that can be made here."""
    return tuple(name for name, entry in SYSTEMS.items() if has_peers() or not entry.needs_peers)
