"""Diagnostics about members: models that cannot be found, built or used (SW3xx).

Guarantees: `MEMBERS` lists every class of this module.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from swc.diagnostics import Diagnostic
from swc.diagnostics.installing import extra_words


def _images(number: int) -> str:
    words = {1: "one image", 2: "two images"}
    return words.get(number, f"{number} images")


@frozen(kw_only=True)
class UnknownModel(Diagnostic):
    """`torchvision("name")` or `timm("name")` names a model that the installed library does not have.

    The names are those of `torchvision.models.list_models()`, for example `resnet50`, `wide_resnet50_2` or
    `mobilenet_v2`, and of `timm.list_models()`. Newer models need a newer version. A model of your own is written
    `python("package.module:factory")`.
    """

    code: ClassVar[str] = "SW300"
    library: str
    module: str
    name: str
    meant: str | None = None

    def message(self) -> str:
        return f"{self.library} has no model named `{self.name}`"

    def help(self) -> str:
        if self.meant is not None:
            return f"did you mean `{self.meant}`?"
        return f"`{self.module}.list_models()` lists the names"


@frozen(kw_only=True)
class ModelLibraryMissing(Diagnostic):
    """A member is a model of a library that is not installed.

    timm has more than a thousand models, and whoever needs none of them need not install it. It is an extra of this
    project: `pip install -e '.[timm]'` in the checkout.
    """

    code: ClassVar[str] = "SW336"
    library: str
    extra: str
    name: str

    def message(self) -> str:
        return f"`{self.name}` is a model of {self.library}, which is not installed"

    def help(self) -> str:
        return f"install the extra `{self.extra}`: {extra_words(self.extra)}"


@frozen(kw_only=True)
class FactoryNotFound(Diagnostic):
    """`python("package.module:factory")` names something that cannot be imported.

    The part before the colon is imported as a Python module, looked for beside the spec, in the current folder, and
    among the installed packages; the part after it is a function or class in that module. For `net.py` beside the
    spec with `def small(): ...` in it, write `python("net:small")`.
    """

    code: ClassVar[str] = "SW301"
    name: str
    reason: str

    def message(self) -> str:
        return f"the factory `{self.name}` cannot be imported: {self.reason}"

    def help(self) -> str:
        return 'write `python("package.module:factory")` with the module beside the spec, in this folder, or installed'


@frozen(kw_only=True)
class FactoryFailed(Diagnostic):
    """The code that builds a member's model raised an exception.

    The model is built once, without memory for its weights, to read its layers; the exception came from the factory
    or from the model's own constructor. The note tells where. Call the factory in a Python prompt with the same
    arguments to see the whole story.
    """

    code: ClassVar[str] = "SW302"
    name: str
    error: str
    place: str = ""

    def message(self) -> str:
        return f"building `{self.name}` failed: {self.error}"

    def help(self) -> str:
        return "call the factory with these arguments in Python, and correct what it raises"

    def notes(self) -> tuple[str, ...]:
        return (f"raised at {self.place}",) if self.place else ()


@frozen(kw_only=True)
class NoModule(Diagnostic):
    """A factory returned something that is not a `torch.nn.Module`.

    A factory must return the model itself: one `torch.nn.Module` that takes a batch of images and gives a batch of
    logits. Not a tuple, not a checkpoint, not a class: `return Net(width)`, not `return Net`.
    """

    code: ClassVar[str] = "SW303"
    name: str
    found: str

    def message(self) -> str:
        return f"the factory `{self.name}` returned `{self.found}`, which is not a torch.nn.Module"

    def help(self) -> str:
        return "let the factory return the model itself"


@frozen(kw_only=True)
class WrongArguments(Diagnostic):
    """The arguments in the spec are not those that the model's factory takes.

    Arguments are passed by name. `num_classes` need not be given: it is passed where a factory has a parameter of that
    name. For `def small(width, num_classes): ...` write `python("net:small", width: 2)`.
    """

    code: ClassVar[str] = "SW304"
    name: str
    detail: str

    def message(self) -> str:
        return f"`{self.name}` does not take these arguments: {self.detail}"

    def help(self) -> str:
        return "give the arguments its signature names; `num_classes` is passed for you"


@frozen(kw_only=True)
class UnbuildableFamily(Diagnostic):
    """A family has no network with these arguments.

    A wide residual network has three stages of equally many blocks of two layers each, so its depth is 6n + 4: 10, 16,
    22, 28, 34, 40. A bottleneck resnet has one of a few usual depths. Choose one that the message names, for example
    `wrn(depth: 28, width: 10)`.
    """

    code: ClassVar[str] = "SW305"
    source: str
    detail: str

    def message(self) -> str:
        return f"`{self.source}` cannot be built: {self.detail}"

    def help(self) -> str:
        return "choose values that the family has"


@frozen(kw_only=True)
class LazyParameters(Diagnostic):
    """A model decides the shapes of its weights only when it sees the first batch.

    Modules such as `torch.nn.LazyLinear` have no shape until data passes through them. The compiler must know every
    shape before anything trains, to count parameters and to share them. Give the sizes in the model's constructor:
    `Linear(128, 10)` instead of `LazyLinear(10)`.
    """

    code: ClassVar[str] = "SW306"
    name: str
    parameters: tuple[str, ...]

    def message(self) -> str:
        return f"`{self.name}` has parameters without a shape: `{self.parameters[0]}`"

    def help(self) -> str:
        return "replace lazy modules by ones whose sizes are given"

    def notes(self) -> tuple[str, ...]:
        return tuple(f"also `{name}`" for name in self.parameters[1:8])


@frozen(kw_only=True)
class NoParameters(Diagnostic):
    """A member's model has no parameters at all, so there is nothing to train or to share.

    This happens when layers are kept in a plain Python list or dict, where torch does not find them. Keep them in
    `torch.nn.ModuleList`, `torch.nn.ModuleDict` or `torch.nn.Sequential`.
    """

    code: ClassVar[str] = "SW307"
    name: str

    def message(self) -> str:
        return f"`{self.name}` has no parameters"

    def help(self) -> str:
        return "keep layers in attributes or in torch.nn.ModuleList, where torch finds them"


@frozen(kw_only=True)
class WrongOutput(Diagnostic):
    """A member does not give one logit per class of the data set.

    Members predict together, so each must map a batch of images [B, C, H, W] to logits [B, classes] of the data set
    named by `data`. A factory with a parameter `num_classes` gets the number; one without must know it itself.
    A model that returns a dict or a tuple (segmentation, auxiliary heads) needs a small wrapper that returns the
    logits alone, in training mode and in eval mode.
    """

    code: ClassVar[str] = "SW308"
    name: str
    found: str
    num_classes: int
    num_images: int = 2
    mode: str = "training"

    def message(self) -> str:
        return (
            f"`{self.name}` gives {self.found} for {_images(self.num_images)} in {self.mode} mode, "
            f"where [{self.num_images}, {self.num_classes}] is needed"
        )

    def help(self) -> str:
        return f"let the model return a tensor with {self.num_classes} logits for each image"


@frozen(kw_only=True)
class ForwardFailed(Diagnostic):
    """A member's model cannot take the images, or other inputs, of the data set.

    The model was built, but images of the shape that `data` names made it fail: too many channels or too few, or
    images so small that a pooling has nothing left. `digits` has one channel and 8x8 pixels, CIFAR three and 32x32,
    ImageNet three and 224x224. Members are asked in training mode and in eval mode, for batches of the sizes that a run
    will have: whole ones, the last one of an epoch, the parts of `norm_batch`, and single images in eval mode. The
    message says which one failed; a BatchNorm over one number for each channel has no variance.
    """

    code: ClassVar[str] = "SW309"
    name: str
    image_shape: tuple[int, int, int]
    error: str
    inputs: str = ""
    num_images: int = 2
    mode: str = "training"
    place: str = ""

    def message(self) -> str:
        shape = "x".join(str(size) for size in self.image_shape)
        batch = f"a batch of {self.num_images}, each {self.inputs},"
        batch = batch if self.inputs else f"{_images(self.num_images)} of {shape}"
        return f"`{self.name}` cannot take {batch} in {self.mode} mode: {self.error}"

    def help(self) -> str:
        if self.inputs:
            return "choose a model for such inputs, or other data"
        return "choose a model for such batches of images (channels x height x width), or other data"

    def notes(self) -> tuple[str, ...]:
        return (f"raised at {self.place}",) if self.place else ()


@frozen(kw_only=True)
class ExtraState(Diagnostic):
    """A module of a member's model keeps state that is not a tensor (`get_extra_state`).

    Checkpoints hold tensors and nothing else, so that state would be lost when a run is stopped and goes on. Keep it in
    a buffer (`register_buffer`), or compute it from the arguments of the factory.
    """

    code: ClassVar[str] = "SW310"
    name: str
    modules: tuple[str, ...]

    def message(self) -> str:
        listed = ", ".join(f"`{module}`" for module in self.modules[:5])
        return f"`{self.name}` has modules with extra state, which no checkpoint can keep: {listed}"

    def help(self) -> str:
        return "keep that state in a buffer (`register_buffer`) instead of `get_extra_state`"


@frozen(kw_only=True)
class CompiledModel(Diagnostic):
    """A factory returns a model that `torch.compile` or `torch.jit` has made something else of.

    Members are read, shared and exported layer by layer, and a compiled or scripted module hides its layers. Return the
    module as it was written.
    """

    code: ClassVar[str] = "SW313"
    name: str
    modules: tuple[str, ...]

    def message(self) -> str:
        listed = ", ".join(f"`{module}`" for module in self.modules[:5])
        return f"`{self.name}` has modules that torch has compiled or scripted: {listed}"

    def help(self) -> str:
        return "return the module itself, without `torch.compile`, `torch.jit.script` and `torch.jit.trace`"


MEMBERS = (
    UnknownModel,
    ModelLibraryMissing,
    FactoryNotFound,
    FactoryFailed,
    NoModule,
    WrongArguments,
    UnbuildableFamily,
    LazyParameters,
    NoParameters,
    WrongOutput,
    ForwardFailed,
    ExtraState,
    CompiledModel,
)
