"""What an exported ensemble predicts, by its task: the function of the loader, and the words of the model card.

Takes the facts of the data and how targets were standardised; gives text. Guarantees: numbers come out in the unit of
their targets, with the spread of the members beside them, in float64: of times in seconds since 1970 float32 tells
apart only those that are two minutes apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from swc.program.datasets import DataFacts
from swc.show.wording import score_text

if TYPE_CHECKING:
    from swc.files.run import MemberScores, TargetScale
    from swc.files.scores import Scores

PREDICT = '''@torch.no_grad()
def predict({given}names=tuple(MEMBERS)):
    """{told}

    Each member is loaded once for a device, and kept.
    """
{body}


def _each(outputs):
    """[members, B, outputs]; a network of several members gives them so."""
    return outputs if outputs.ndim == 3 else outputs[None]
'''
TOLD = {
    "class": "The mean of the members' probabilities for {inputs}, on their device.",
    "labels": "The mean of the members' probabilities of each label for {inputs}, on their device.",
    "numbers": "The mean of the members and their deviation, float64 [B, targets], for {inputs}, on their device.",
}
BODIES = {
    "class": "    return torch.cat([_each({member}).softmax(-1) for name in names]).mean(0)",
    "labels": "    return torch.cat([_each({member}).sigmoid() for name in names]).mean(0)",
    "numbers": """    outputs = torch.cat([_each({member}) for name in names]).double()
    deviation = TARGET_DEVIATION.to(outputs)
    return outputs.mean(0) * deviation + TARGET_MEAN.to(outputs), outputs.std(0, correction=0) * deviation""",
}
UNIT = """TARGET_MEAN = torch.tensor({mean}, dtype=torch.float64)  # of the training part
TARGET_DEVIATION = torch.tensor({deviation}, dtype=torch.float64)
"""
SHOWN = {"classification": ("top1", "nll", "ece")}  # on the card; of other tasks all scores that are known


def predict_text(facts: DataFacts, of_columns: bool = False) -> str:
    """The function `predict` of a loader; `of_columns` takes the two arrays that are made of a table's columns."""
    device, asked = ("images", "images") if facts.are_images else ("inputs[0]", "*inputs")
    member, kind = f"_kept(name, {device}.device)({asked})", facts.task.row.targets
    given = "numbers, codes" if of_columns else asked
    inputs = "normalised images" if facts.are_images else "raw columns" if of_columns else "a batch of inputs"
    made = "    inputs = (features(numbers, codes),)\n" if of_columns else ""
    told, body = TOLD[kind].format(inputs=inputs), BODIES[kind].format(member=member)
    return PREDICT.format(given=f"{given}, ", told=told, body=made + body)


def unit_text(scale: TargetScale | None) -> str:
    """The constants that bring outputs into the unit of their targets; nothing where there are none."""
    return "" if scale is None else UNIT.format(mean=list(scale.mean), deviation=list(scale.deviation))


def outputs_of(facts: DataFacts) -> str:
    """How many outputs a member has, in words: `10 classes`, `2 targets`."""
    count = facts.num_classes
    word = {"class": "classes", "labels": "labels", "numbers": "target" if count == 1 else "targets"}
    return f"{count} {word[facts.task.row.targets]}"


def unit_facts(scale: TargetScale | None) -> dict[str, str]:
    """The line of the card that says what outputs are."""
    if scale is None:
        return {}
    said = f"an output y is y x deviation + mean: mean {list(scale.mean)}, deviation {list(scale.deviation)}"
    return {"Targets": said}


def score_lines(members: Sequence[MemberScores], together: Scores | None, facts: DataFacts) -> list[str]:
    """The table of scores on the card; `together` are those of all members of the run (None: some are not here)."""
    row, name = facts.task.row, facts.task.name
    columns = [row.score(score) for score in SHOWN.get(name) or tuple(one.name for one in row.scores)]
    rows: list[tuple[str, Scores]] = [(one.name, one) for one in members]
    rows += [("ensemble", together)] if together is not None else []
    cells = [(name, *(score_text(one, scores.value(one.name)) for one in columns)) for name, scores in rows]
    head = f"| | {' | '.join(one.title for one in columns)} |"
    return [head, "|---" * (1 + len(columns)) + "|", *(f"| {' | '.join(line)} |" for line in cells)]
