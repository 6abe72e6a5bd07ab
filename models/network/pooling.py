"""Feature maps → one vector: what is there (maximum) and how much of it (average).

MAC (maximum activations of convolutions) follows Tolias, Sicre and Jégou, "Particular object
retrieval with integral max-pooling of CNN activations", ICLR 2016.
"""

from torch import Tensor


def mac(maps: Tensor) -> Tensor:
    """Maximum over the picture: (n, c, h, w) → (n, c)."""
    return maps.amax(dim=(2, 3))


def average(maps: Tensor) -> Tensor:
    """Average over the picture: (n, c, h, w) → (n, c)."""
    return maps.mean(dim=(2, 3))
