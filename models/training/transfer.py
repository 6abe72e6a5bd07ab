"""Takes over the weights of a network of other labels, and averages those of several."""

from collections.abc import Sequence

import torch
from torch import nn

from models.network.checkpoint import Checkpoint
from models.network.marknet import MarkNet
from models.vienna import ViennaCode

_OF_LABELS = ("heads.vienna.weight", "heads.vienna.bias", "heads.places.weight")


def transfer_weights(network: MarkNet, labels: Sequence[ViennaCode], start: Checkpoint) -> None:
    """Take over a checkpoint's weights.

    What it knows of a code is kept. A code that it does not know begins as the nearest one above
    that it does, a category that it does not know small and rare.

    Args:
        network: of ``len(labels)`` labels, else of the checkpoint's shape.
        labels: the codes it is to predict.
        start: the checkpoint.
    """
    known = {code: row for row, code in enumerate(start.labels)}
    nearest = [
        next(
            (known[above] for above in (code, *reversed(code.ancestors())) if above in known), None
        )
        for code in labels
    ]
    state = start.load_network().state_dict()
    for name in _OF_LABELS:
        old, new = state[name], torch.zeros((len(labels), *state[name].shape[1:]))
        if new.dim() > 1:
            nn.init.normal_(new, std=float(old.std()) / 4 or 1e-3)
        else:
            new.fill_(-3.0)  # rare until learnt otherwise
        for row, at in enumerate(nearest):
            if at is not None:
                new[row] = old[at]
        state[name] = new
    network.load_state_dict(state)


@torch.no_grad()
def average_weights(
    network: MarkNet, labels: Sequence[ViennaCode], others: Sequence[Checkpoint]
) -> None:
    """Give a network the mean of its weights and those of the checkpoints that it came from.

    Weights along one line of learning lie in one valley, and their mean errs less than any of them
    (model soups: Wortsman et al., ICML 2022).

    Args:
        network: what was learnt.
        labels: the codes it predicts.
        others: checkpoints before it; codes that one does not know as in `transfer_weights`.
    """
    mean = {name: value.double() for name, value in network.state_dict().items()}
    for other in others:
        twin = MarkNet(network.config)
        transfer_weights(twin, labels, other)
        for name, value in twin.state_dict().items():
            mean[name] += value
    network.load_state_dict({name: value / (1 + len(others)) for name, value in mean.items()})
