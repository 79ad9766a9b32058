"""The parts of an exported Python file that are the same in every one.

Texts alone. Guarantees: together with what `python_source` writes between them they are one module, laid out as
formatters lay it out.
"""

HEAD = '''\
"""{title}: {count} that share their weights, as one torch module.

{example}

{told}

{members}

How a weight is made: a bank holds K templates of T scalars each, and N vectors of K coefficients. By a vector the
templates are mixed into a SuperWeight, T scalars in a row; `w.c0_0[3]` is that of vector 3 of the bank `c0_0`. A weight
is a block of such a row, or several beside each other, as `weight_SHAPE` lays them out. Wherever a row is named again,
its numbers are the same: there the weights are tied. All else (norms, biases, classifiers, layers that share nothing)
are the members' own parameters.

{rows}{axes}
"""

from __future__ import annotations

{imports}
'''

TOLD = (
    "`python {stem}.py` trains a few steps. The trained tensors are in {stem}.safetensors, beside this file. It needs "
    "{needs} alone, and was written by `swc export --format python`."
)

ROWS_TOLD = (
    "Of the banks in ROWS, `w.c0_0[3]` is row 3 there: a vector and its gain, by which every number of the SuperWeight "
    "is multiplied. So layers of unlike fan-in share templates and vectors, and each begins with the variance that "
    "suits it."
)

RULE = "# " + "-" * 118

BANK = '''

class Bank(NamedTuple):
    """How many templates of how many scalars, and how many vectors of coefficients.

    `fan_in`, by which fresh templates are scaled, is that of the largest layer made of them: inputs x kernel area.
    """

    templates: int
    scalars: int
    vectors: int
    fan_in: int

    def fresh_templates(self) -> Tensor:
        """Templates [K, T], normal, of the variance that suits ReLU (He et al., 2015)."""
        return torch.randn(self.templates, self.scalars) * sqrt(2 / self.fan_in)

    def fresh_vectors(self) -> Tensor:
        """Vectors [N, K] of norm one, as orthogonal as may be."""
        return F.normalize(nn.init.orthogonal_(torch.empty(self.vectors, self.templates)))
'''

ROWS = """
# by bank the rows that weights read: the number of the vector, and its gain
ROWS = {
"""

NORMS = """
# by bank the norms of fresh vectors
NORMS = {
"""

FIRST_VECTORS = '''

def first_vectors(name: str) -> Tensor:
    """The fresh vectors [N, K] of a bank, as long as NORMS says."""
    vectors_NK = BANKS[name].fresh_vectors()
    return vectors_NK * vectors_NK.new_tensor(NORMS[name])[:, None] if name in NORMS else vectors_NK
'''

ROWS_OF_A_BANK = '''
    def rows(self, name: str) -> Tensor:
        """The coefficients of a bank's rows: vectors, each times its gain."""
        vectors_NK = self.coefficients[name]
        if name not in ROWS:
            return vectors_NK
        numbers, gains = zip(*ROWS[name], strict=True)
        return vectors_NK[list(numbers)] * vectors_NK.new_tensor(gains)[:, None]
'''

STORED = '''

class Stored(NamedTuple):
    """A tensor that weights read as it is, and how a fresh one begins."""

    shape: tuple[int, ...]
    fan_in: int
    start: str

    def fresh(self) -> Tensor:
        """Normal, of the variance that suits ReLU, or of 1; uniform; random signs; a direction; ones or zeros."""
        if self.start in ("kaiming", "normal"):
            return torch.randn(self.shape) * (sqrt(2 / self.fan_in) if self.start == "kaiming" else 1)
        if self.start == "uniform":
            return (torch.rand(self.shape) * 2 - 1) / sqrt(self.fan_in)
        if self.start == "signs":
            return torch.randint(2, self.shape).float() * 2 - 1
        if self.start == "direction":
            return F.normalize(torch.randn(self.shape), dim=0)
        return torch.ones(self.shape) if self.start == "ones" else torch.zeros(self.shape)
'''

HELPERS = {
    "along_outputs": '''

def along_outputs(*parts: Tensor) -> Tensor:
    """Parts of a weight one after the other along its outputs."""
    return torch.cat(parts, dim=0)
''',
    "along_inputs": '''

def along_inputs(*parts: Tensor) -> Tensor:
    """Parts of a weight one after the other along its inputs."""
    return torch.cat(parts, dim=1)
''',
    "cropped": '''

def cropped(weight: Tensor, shape: Shape) -> Tensor:
    """The leading part of a weight."""
    return weight[tuple(slice(size) for size in shape)]
''',
}

TENSORS = (
    "        self.tensors = nn.ParameterDict({name: tensor.fresh() for name, tensor in TENSORS.items()})\n",
    ", **self.tensors",
)  # in the ensemble, where there are any

ENSEMBLE = '''

class Member(NamedTuple):
    """How a member is built, and how its shared weights are made."""

    build: Callable[[], nn.Module]
    weights: Callable[[SimpleNamespace], dict[str, Tensor]]


MEMBERS = {{
{members}
}}


class Ensemble(nn.Module):
    """The members, and what they share. Every parameter is here once; composed weights are not parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.templates = nn.ParameterDict({{name: bank.fresh_templates() for name, bank in BANKS.items()}})
        self.coefficients = nn.ParameterDict({{name: {fresh}}})
{tensors}        self.members = nn.ModuleDict({{name: member.build() for name, member in MEMBERS.items()}})
{features}        for name, weights in self.weights().items():
            for path in weights:
                owner, _, attribute = path.rpartition(".")
                module = self.members[name].get_submodule(owner)
                delattr(module, attribute)
                module.register_buffer(attribute, None)  # the place that forward puts it in
{rows}
    def weights(self) -> dict[str, dict[str, Tensor]]:
        """By member all composed weights, by their paths."""
        superweights_NT = {{name: {mixing} @ self.templates[name] for name in BANKS}}
        w = SimpleNamespace(**superweights_NT{stored})
        return {{name: member.weights(w) for name, member in MEMBERS.items()}}

{forward}


def load(path: Path = TRAINED) -> Ensemble:
    """The trained ensemble, in eval mode."""
    ensemble = Ensemble()
    ensemble.load_state_dict(load_file(path))
    return ensemble.eval()
{normalised}'''
