"""Feature maps → one vector: what is there (maximum) and how much of it (average).

MAC (maximum activations of convolutions) follows Tolias, Sicre and Jégou, "Particular object
retrieval with integral max-pooling of CNN activations", ICLR 2016; GeM follows Radenović, Tolias
and Chum, "Fine-tuning CNN image retrieval with no human annotation", TPAMI 2019.
"""

from torch import Tensor


def mac(maps: Tensor) -> Tensor:
    """Maximum over the picture: (n, c, h, w) → (n, c)."""
    return maps.amax(dim=(2, 3))


def average(maps: Tensor) -> Tensor:
    """Average over the picture: (n, c, h, w) → (n, c)."""
    return maps.mean(dim=(2, 3))


def gem(maps: Tensor, power: float = 3.0) -> Tensor:
    """Generalised mean over the picture: (n, c, h, w) ≥ 0 → (n, c).

    ``power`` 1 is the average; towards infinity it becomes the maximum.
    """
    return maps.clamp(min=1e-6).pow(power).mean(dim=(2, 3)).pow(1.0 / power)
