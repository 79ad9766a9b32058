"""AdamW (Loshchilov and Hutter, 2019), as torch has it: weight decay apart from the gradient."""

from swc.registry.optimisers.row import OptimiserRow, StateRow
from swc.registry.row import ArgumentRow

# Untying copies both moments. A vector's step is m / sqrt(v), up to the correction for the first steps, so a copy goes
# on as the tied vector would have. With v at zero the next step would be (1 - beta1) g / sqrt((1 - beta2) g^2), about
# 3.2 times the rate by the defaults, for the steps counted belong to the whole table and no correction is left.
ADAMW = OptimiserRow(
    name="adamw",
    words="Adam with decoupled weight decay",
    implementation="torch.optim:AdamW",
    arguments=(
        ArgumentRow("lr", "number", above=0, default=1e-3, what="a learning rate"),
        ArgumentRow("betas", "numbers", least=0, below=1, length=2, default=(0.9, 0.999)),
        ArgumentRow("eps", "number", above=0, default=1e-8),
        ArgumentRow("weight_decay", "number", least=0, default=1e-2, what="weight decay"),
    ),
    state=(
        StateRow(name="first_moment", key="exp_avg"),
        StateRow(name="second_moment", key="exp_avg_sq"),
        StateRow(name="steps", key="step", shape="number"),
    ),
    takes_foreach=True,
    takes_fused=True,
)
