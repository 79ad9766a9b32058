"""The families `mlp` and `vit`, and dropout in `wrn`: sizes, values against other implementations, what is drawn."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from swc.compiler.driver import compile_file
from swc.diagnostics import DiagnosticError
from torch import Tensor, nn
from torchvision.models.vision_transformer import VisionTransformer as Published

from swc_runtime.ensemble import build
from swc_runtime.models import build_model
from swc_runtime.models.mlp import PeriodicEmbeddings, PiecewiseLinearEmbeddings

SPEC = """
ensemble e {{
  data digits
  member m[2] = {source}
  budget unlimited
  {shares}
}}
"""
DIGITS = (1, 8, 8)


def family(name: str, shape: tuple[int, ...] = DIGITS, **arguments: object) -> nn.Module:
    return build_model("family", name, arguments, 10, shape)


def size(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def normal(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(3))


def test_a_perceptron_is_layers_of_one_width_and_a_head() -> None:
    model = family("mlp", (8,), depth=3, width=32)
    assert size(model) == (8 * 32 + 32) + 2 * (32 * 32 + 32) + (32 * 10 + 10)
    assert [path for path, module in model.named_modules() if isinstance(module, nn.Linear)] == [
        "first",
        "hidden.0",
        "hidden.1",
        "head",
    ]
    x = normal(5, 8)
    made = x
    for layer in (model.first, *model.hidden):
        made = torch.relu(layer(made))
    torch.testing.assert_close(model(x), model.head(made))
    assert family("mlp", depth=1, width=4)(normal(3, *DIGITS)).shape == (3, 10)  # an image is a row of its pixels


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        ({"embeddings": "periodic", "frequencies": 5}, 8 * 5 + 8 * (10 * 4 + 4)),
        ({"embeddings": "periodic", "frequencies": 5, "lite": True}, 8 * 5 + (10 * 4 + 4)),
        ({"embeddings": "piecewise_linear", "bins": 6}, 8 * (4 + 4) + 8 * 6 * 4),
    ],
)
def test_embeddings_have_parameters_of_their_own(arguments: dict[str, object], count: int) -> None:
    model = family("mlp", (8,), depth=1, width=16, size=4, **arguments)
    assert size(model) == count + (8 * 4 * 16 + 16) + (16 * 10 + 10)
    assert model(normal(5, 8)).shape == (5, 10)


def test_a_number_reaches_into_the_bins_of_its_feature() -> None:
    embed = PiecewiseLinearEmbeddings(2, 3, 4)
    embed.fit_inputs(torch.tensor([[0.0, 5.0], [1.0, 5.0], [2.0, 6.0], [3.0, 7.0], [4.0, 7.0]]))
    assert embed.num_bins.tolist() == [4, 2]  # 5, 6, 7: of five quantiles two stand twice
    found = embed._encoded(torch.tensor([[2.5, 6.5], [-1.0, 4.0], [6.0, 9.0]]))
    assert found[:, 0].tolist() == [[1, 1, 0.5, 0], [-1, 0, 0, 0], [1, 1, 1, 3]]
    torch.testing.assert_close(found[:, 1], torch.tensor([[1, 0.5, 0, 0], [-1, 0, 0, 0], [1, 3.0, 0, 0]]))


@pytest.mark.peers
@pytest.mark.skipif(find_spec("rtdl_num_embeddings") is None, reason="needs rtdl_num_embeddings")
def test_embeddings_are_those_of_their_authors() -> None:
    import rtdl_num_embeddings as theirs

    def own_name(name: str) -> str:
        return name.replace("periodic.weight", "frequencies").replace(
            "linear.bias", "linear.bias" if lite else "linear.offsets"
        )

    x = normal(300, 3)
    for lite in (True, False):
        published = theirs.PeriodicEmbeddings(3, 4, n_frequencies=5, frequency_init_scale=0.3, lite=lite)
        own = PeriodicEmbeddings(3, 4, 5, 0.3, lite=lite)
        own.load_state_dict({own_name(name): t for name, t in published.state_dict().items()})
        torch.testing.assert_close(own(x), published(x))
    bins = theirs.compute_bins(x, 6)
    published = theirs.PiecewiseLinearEmbeddings(bins, 4, activation=False, version="B")
    nn.init.normal_(published.linear.weight)
    own = PiecewiseLinearEmbeddings(3, 4, 6)
    own.fit_inputs(x)
    with torch.no_grad():
        own.weight.copy_(published.linear0.weight)
        own.offsets.copy_(published.linear0.bias)
        own.linear.weight.copy_(published.linear.weight)  # all features have all six bins: in the same order
    torch.testing.assert_close(own(2 * x), published(2 * x), rtol=1e-4, atol=1e-5)


def test_a_vision_transformer_answers_as_torchvisions() -> None:
    published = Published(16, 4, 2, 2, 12, 20, num_classes=10).eval()
    for parameter in published.parameters():
        nn.init.normal_(parameter, std=0.3)
    own = build_model(
        "family", "vit", {"patch": 4, "depth": 2, "width": 12, "heads": 2, "mlp_ratio": 20 / 12}, 10, (3, 16, 16)
    )
    names = {
        "class_token": "class_token",
        "encoder.pos_embedding": "positions",
        "conv_proj.": "patches.",
        "encoder.layers.encoder_layer_": "blocks.",
        "encoder.ln.": "norm.",
        "heads.head.": "head.",
    }
    inner = {".ln_": ".norm", ".self_attention.": ".attention.", ".mlp.0.": ".widen.", ".mlp.3.": ".narrow."}
    state = {}
    for name, tensor in published.state_dict().items():
        start = next(start for start in names if name.startswith(start))
        own_name = names[start] + name.removeprefix(start)
        for theirs, ours in inner.items():
            own_name = own_name.replace(theirs, ours)
        state[own_name] = tensor[0] if own_name in ("class_token", "positions") else tensor
    own.load_state_dict(state)
    images = normal(3, 3, 16, 16)
    torch.testing.assert_close(own.eval()(images), published(images), rtol=1e-4, atol=1e-5)


def test_a_large_vision_transformer_has_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        given = {"patch": 16, "depth": 12, "width": 768, "heads": 12}
        assert size(build_model("family", "vit", given, 1000, (3, 224, 224))) == 86_567_656


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("mlp", {"depth": 2, "width": 16, "dropout": 0.5}),
        ("vit", {"patch": 4, "depth": 2, "width": 8, "heads": 2, "dropout": 0.5}),
        ("vit", {"patch": 4, "depth": 2, "width": 8, "heads": 2, "stochastic_depth": 0.5}),
        ("wrn", {"depth": 10, "width": 0.25, "dropout": 0.5}),
    ],
)
def test_what_is_left_out_is_drawn_in_training_alone(name: str, arguments: dict[str, object]) -> None:
    model = family(name, **arguments)
    images = normal(4, *DIGITS)
    assert not torch.equal(model(images), model(images))
    model.eval()
    assert torch.equal(model(images), model(images))


def test_blocks_are_left_out_more_often_the_deeper_they_stand() -> None:
    model = family("vit", patch=4, depth=3, width=8, heads=2, stochastic_depth=0.4)
    assert [block.skip.p for block in model.blocks] == pytest.approx([0, 0.2, 0.4])


@pytest.mark.parametrize(
    ("source", "shares", "layers"),
    [
        ("mlp(depth: 3, width: 8, dropout: 0.1)", "share linear as rank_one", 3),
        (
            "mlp(depth: 1, width: 8, embeddings: periodic, frequencies: 4)",
            'share "*.embed.frequencies" as hard share "*.embed.linear" as slices',
            3,
        ),
        (
            "vit(patch: 4, depth: 2, width: 8, heads: 2, stochastic_depth: 0.1)",
            "share attention as low_rank(rank: 2) share linear as rank_one share conv\n"
            '  share "*.positions" as hard share "*.class_token" as slices',
            11,
        ),
    ],
)
def test_what_they_are_made_of_is_shared(tmp_path: Path, source: str, shares: str, layers: int) -> None:
    path = tmp_path / "e.sw"
    path.write_text(SPEC.format(source=source, shares=shares.replace(" share", "\n  share")), "utf-8")
    program = compile_file(path).program
    assert len(program.weights) == 2 * layers
    ensemble = build(program).train()
    with ensemble.step():
        logits = [ensemble.run(network, normal(4, *DIGITS))[0] for network in ensemble.networks]
        torch.stack([one.square().sum() for one in logits]).sum().backward()
    assert all(p.grad is not None for p in (*ensemble.banks, *ensemble.tensors))


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("vit(patch: 3, depth: 1, width: 8, heads: 2)", "patches of 3 x 3 do not fill an image of 8 x 8 pixels"),
        ("vit(patch: 4, depth: 1, width: 9, heads: 2)", "2 heads do not share a width of 9 evenly"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(tmp_path: Path, source: str, said: str) -> None:
    path = tmp_path / "e.sw"
    path.write_text(SPEC.format(source=source, shares=""), "utf-8")
    with pytest.raises(DiagnosticError, match=said):
        compile_file(path)
