"""The parts of an exported Python file that depend on what members take: images, or the columns of a table.

Texts alone, and one function that chooses among them. Guarantees: as `python_text`.
"""

from __future__ import annotations

from attrs import frozen

EXAMPLE = """\
    from {stem} import load, normalised

    ensemble = load()                                     # as it was trained; `Ensemble()` is a fresh one
    logits = ensemble(normalised(images))                 # [members, B, {classes}], images [B, {shape}] in [0, 1]
    probabilities = ensemble.predict(normalised(images))  # [B, {classes}], the mean over the members"""
AXES = "Tensor names end in their axes: M members, B images, C channels, H x W pixels; K, T and N as above."
FORWARD = '''\
    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Logits [M, B, classes] of normalised images; the members run one after another."""
        weights = self.weights()
        return torch.stack([functional_call(self.members[name], weights[name], (images_BCHW,)) for name in MEMBERS])

    @torch.no_grad()
    def predict(self, images_BCHW: Tensor) -> Tensor:
        """The mean [B, classes] of the members' probabilities for normalised images."""
        return self(images_BCHW).softmax(-1).mean(0)'''
NORMALISED = '''

def normalised(images_BCHW: Tensor) -> Tensor:
    """Images with pixels in [0, 1] as the members were trained on them."""
    mean, deviation = (images_BCHW.new_tensor(found).view(1, -1, 1, 1) for found in (MEAN, DEVIATION))
    return (images_BCHW - mean) / deviation
'''
TRAINING = '''

def train_step(ensemble: Ensemble, optimiser: torch.optim.Optimizer, images_BCHW: Tensor, labels_B: Tensor) -> float:
    """One step on the sum of the members' cross-entropies, which is given back.

    The gradients reach templates and coefficients through the composed weights, those of all members added up.
    """
    optimiser.zero_grad()
    loss = torch.stack([F.cross_entropy(logits_BC, labels_B) for logits_BC in ensemble(images_BCHW)]).sum()
    loss.backward()
    optimiser.step()
    return loss.item()


def main() -> None:
    """Train a few steps on noise with random labels, which can at least be learned by heart."""
    torch.manual_seed(0)
    ensemble = load().train()
    optimiser = torch.optim.SGD(ensemble.parameters(), lr=0.01, momentum=0.9)
    images_BCHW, labels_B = torch.rand(32, *IMAGE_SHAPE), torch.randint(NUM_CLASSES, (32,))
    for step in range(10):
        print(f"step {step}: loss {train_step(ensemble, optimiser, normalised(images_BCHW), labels_B):.4f}")


if __name__ == "__main__":
    main()
'''

EXAMPLE_OF_COLUMNS = """\
    import torch
    from columns import raw_inputs
    from {stem} import load

    ensemble = load()                                      # as it was trained; `Ensemble()` is a fresh one
    given = map(torch.from_numpy, raw_inputs(columns))     # of a dictionary of columns, or a data frame
    {predicted}"""
PREDICTED = {
    "class": "probabilities = ensemble.predict(*given)               # [B, {classes}], the mean over the members",
    "numbers": "means, deviations = ensemble.predict(*given)           # [B, {classes}], in the target's own unit",
}
AXES_OF_COLUMNS = (
    "Tensor names end in their axes: M members, B rows, C classes or targets; K, T and N as above. In the part on "
    "columns N are rows, R columns of numbers, K columns of categories, Q quantiles and F features."
)
FORWARD_OF_COLUMNS = '''\
    def forward(self, numbers: Tensor, codes: Tensor) -> Tensor:
        """{outputs} [M, B, {classes}] of raw columns, numbers float64 [B, R] and codes int64 [B, K].

        The members run one after another.
        """
        weights, inputs = self.weights(), self.features(numbers, codes)
        return torch.stack([functional_call(self.members[name], weights[name], (inputs,)) for name in MEMBERS])

    @torch.no_grad()
{predict}'''
PREDICT_OF_COLUMNS = {
    "class": '''\
    def predict(self, numbers: Tensor, codes: Tensor) -> Tensor:
        """The mean [B, {classes}] of the members' probabilities for raw columns."""
        return self(numbers, codes).softmax(-1).mean(0)''',
    "numbers": '''\
    def predict(self, numbers: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        """The mean [B, {classes}] of the members and their deviation for raw columns, float64 in the target's unit."""
        outputs_MBC = self(numbers, codes).double()
        mean, deviation = outputs_MBC.new_tensor(TARGET_MEAN), outputs_MBC.new_tensor(TARGET_DEVIATION)
        return outputs_MBC.mean(0) * deviation + mean, outputs_MBC.std(0, correction=0) * deviation''',
}
LOSSES = {
    "class": ("cross-entropies", "labels_B", "F.cross_entropy(outputs_BC, labels_B)"),
    "numbers": ("squared errors, in deviations of the target", "targets_BC", "F.mse_loss(outputs_BC, wanted_BC)"),
}
WANTED = """\
    wide_BC = targets_BC.double()  # a large mean leaves float32 no digits for what differs
    wanted_BC = ((wide_BC - wide_BC.new_tensor(TARGET_MEAN)) / wide_BC.new_tensor(TARGET_DEVIATION)).float()
"""
DRAWN = {
    "class": "torch.randint(NUM_OUTPUTS, (32,))",
    "numbers": "torch.tensor(TARGET_MEAN, dtype=torch.float64) + torch.randn(32, NUM_OUTPUTS)",
}
TRAINING_OF_COLUMNS = '''

def train_step(
    ensemble: Ensemble, optimiser: torch.optim.Optimizer, numbers: Tensor, codes: Tensor, {targets}: Tensor
) -> float:
    """One step on the sum of the members' {errors}, which is given back.

    The gradients reach templates and coefficients through the composed weights, those of all members added up.
    """
    optimiser.zero_grad()
{wanted}    loss = torch.stack([{loss} for outputs_BC in ensemble(numbers, codes)]).sum()
    loss.backward()
    optimiser.step()
    return loss.item()


def main() -> None:
    """Train a few steps on noise, which can at least be learned by heart."""
    torch.manual_seed(0)
    ensemble = load().train()
    optimiser = torch.optim.SGD(ensemble.parameters(), lr=0.01, momentum=0.9)
    numbers = torch.randn(32, NUM_NUMBERS, dtype=torch.float64)
    codes = torch.zeros(32, NUM_CATEGORIES, dtype=torch.int64)
    targets = {drawn}
    for step in range(10):
        print(f"step {{step}}: loss {{train_step(ensemble, optimiser, numbers, codes, targets):.4f}}")


if __name__ == "__main__":
    main()
'''


@frozen
class InputTexts:
    """What stands in a file for a kind of inputs."""

    example: str
    axes: str
    forward: str
    normalised: str
    training: str


OF_IMAGES = InputTexts(EXAMPLE, AXES, FORWARD, NORMALISED, TRAINING)


def of_columns(targets: str, classes: int) -> InputTexts:
    """The texts for raw columns; `targets` is `class` or `numbers`."""
    errors, name, loss = LOSSES[targets]
    outputs = "Logits" if targets == "class" else "Outputs, in deviations of the target,"
    predict = PREDICT_OF_COLUMNS[targets].format(classes=classes)
    return InputTexts(
        EXAMPLE_OF_COLUMNS.replace("{predicted}", PREDICTED[targets]),
        AXES_OF_COLUMNS,
        FORWARD_OF_COLUMNS.format(outputs=outputs, classes=classes, predict=predict),
        "",
        TRAINING_OF_COLUMNS.format(
            targets=name, errors=errors, loss=loss, wanted=WANTED if targets == "numbers" else "", drawn=DRAWN[targets]
        ),
    )
