"""Stochastic gradient descent with momentum, as torch has it."""

from swc.registry.optimisers.row import OptimiserRow, StateRow
from swc.registry.row import ArgumentRow, Condition

SGD = OptimiserRow(
    name="sgd",
    words="stochastic gradient descent with momentum",
    implementation="torch.optim:SGD",
    arguments=(
        ArgumentRow("lr", "number", above=0, default=0.1, what="a learning rate"),
        ArgumentRow("momentum", "number", least=0, below=1, default=0.9, what="momentum"),
        ArgumentRow("nesterov", "yes or no", default=True),
        ArgumentRow("weight_decay", "number", least=0, default=5e-4, what="weight decay"),
    ),
    conditions=(Condition(when="nesterov", argument="momentum", above=0),),
    # m <- momentum m + g, a sum of past gradients and so a direction of the parameters
    state=(StateRow(name="momentum", key="momentum_buffer", untie="zero", fit="velocity", unless_zero="momentum"),),
    takes_foreach=True,
    takes_fused=True,
)
