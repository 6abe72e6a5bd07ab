"""The recipe of a training: what learns, from how many pictures a step, at which rates."""

from dataclasses import dataclass
from typing import Literal

Depth = Literal["heads", "conv5", "all"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a network is fine-tuned.

    Attributes:
        steps: optimiser steps.
        depth: what learns: the heads alone, conv5 and the heads, or every layer.
        labelled: pictures a step whose Vienna codes are known.
        signs: groups a step of drawings of one sign, two of each.
        concepts: groups a step of drawings of one thing by different hands, two of each.
        heads_rate: AdamW's highest learning rate for the heads (Smith's one-cycle schedule).
        features_rate: the same for convolutions.
        weight_decay: AdamW's.
        dropout: share of features that a step does not see.
        loss: of Vienna codes.
        temperature: of both contrastive losses.
        remembered: steps whose signs and things are compared with too.
        vienna_weight, visual_weight, concept_weight: of the three losses.
        proxy_weight: within the concept loss, of telling all things apart by a proxy of each.
        seed: of everything random.
    """

    steps: int
    depth: Depth = "conv5"
    labelled: int = 64
    signs: int = 0
    concepts: int = 0
    heads_rate: float = 1e-3
    features_rate: float = 1e-4
    weight_decay: float = 1e-3
    dropout: float = 0.4
    loss: Literal["asymmetric", "bce"] = "asymmetric"
    temperature: float = 0.1
    remembered: int = 0
    vienna_weight: float = 1.0
    visual_weight: float = 1.0
    concept_weight: float = 1.0
    proxy_weight: float = 0.0
    seed: int = 0
