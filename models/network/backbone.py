"""VGG19 convolutional features, from pretrained weights.

Source: Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
Recognition", ICLR 2015; the layer list is torchvision's ``vgg19().features``.

Where only VGG16 weights are at hand, :func:`vgg19_state_from_vgg16` makes a VGG19 that computes
the same function: the three convolutions that VGG19 adds become identity (Dirac) kernels behind a
ReLU (Net2DeeperNet, Chen, Goodfellow and Shlens, ICLR 2016).
"""

from collections.abc import Mapping

import torch
import torchvision
from torch import Tensor, nn

# Index of each convolution in torchvision's `features`, in order.
VGG16_CONVOLUTIONS = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
VGG19_CONVOLUTIONS = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34)
ADDED_CONVOLUTIONS = (16, 25, 34)  # conv3_4, conv4_4, conv5_4
CONV4_END = 27  # features[:27] ends behind conv4_4's ReLU
CONV5_END = 36  # features[:36] ends behind conv5_4's ReLU

# torchvision's configuration "E": channels per convolution, "M" for max pooling.
_CHANNELS = (64, 64, "M", 128, 128, "M", 256, 256, 256, 256, "M", *(512,) * 4, "M", *(512,) * 4)


class Vgg19Features(nn.Module):
    """VGG19's convolutions, in the two parts between which fine-tuning on a CPU cuts.

    Args:
        narrow: divides every layer's channels; 1 is the real VGG19 (torchvision's own module),
            16 a network small enough for tests, of the same code and depth.
    """

    def __init__(self, narrow: int = 1) -> None:
        super().__init__()
        if narrow == 1:
            # weights=None: the checkpoint, or `vgg19_state_from_vgg16`, brings them.
            features = torchvision.models.vgg19(weights=None).features
            self.features = nn.Sequential(*list(features.children())[:CONV5_END])
        else:
            self.features = _narrow_features(narrow)
        self.channels = 512 // narrow  # of conv4 and of conv5

    def low(self, pixels: Tensor) -> Tensor:
        """(n, 3, h, w), normalised as the weights expect → conv4_4 (n, c, h/8, w/8)."""
        maps: Tensor = self.low_layers()(pixels)
        return maps

    def pool4(self, conv4: Tensor) -> Tensor:
        """conv4_4 → what conv5 looks at: (n, c, h/16, w/16)."""
        maps: Tensor = self.features[CONV4_END](conv4)
        return maps

    def high(self, pool4: Tensor) -> Tensor:
        """Maps behind pool4 → conv5_4 (n, c, h/16, w/16)."""
        maps: Tensor = self.high_layers()(pool4)
        return maps

    def low_layers(self) -> nn.Sequential:
        """conv1_1 to conv4_4."""
        return self.features[:CONV4_END]

    def high_layers(self) -> nn.Sequential:
        """conv5_1 to conv5_4."""
        return self.features[CONV4_END + 1 :]


def _narrow_features(narrow: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    channels = 3
    for step in _CHANNELS:
        if isinstance(step, str):
            layers.append(nn.MaxPool2d(2, 2))
            continue
        width = step // narrow
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True)]
        channels = width
    return nn.Sequential(*layers)


def vgg19_state_from_vgg16(vgg16: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Turn VGG16 ``features.*`` weights into VGG19 ones that compute the same function.

    Args:
        vgg16: ``features.N.weight`` and ``features.N.bias``, as torchvision names them.

    Returns:
        float32 tensors with VGG19's names, identity kernels where VGG19 is deeper.
    """
    kept = [index for index in VGG19_CONVOLUTIONS if index not in ADDED_CONVOLUTIONS]
    state: dict[str, Tensor] = {}
    for old, new in zip(VGG16_CONVOLUTIONS, kept, strict=True):
        for part in ("weight", "bias"):
            state[f"features.{new}.{part}"] = vgg16[f"features.{old}.{part}"].float()
    for index in ADDED_CONVOLUTIONS:
        channels = state[f"features.{index - 2}.bias"].numel()
        state[f"features.{index}.weight"] = nn.init.dirac_(torch.empty(channels, channels, 3, 3))
        state[f"features.{index}.bias"] = torch.zeros(channels)
    return state


def imagenet_vgg19_state() -> dict[str, Tensor]:
    """Download torchvision's ImageNet VGG19 (needs the network) and return its features."""
    weights = torchvision.models.VGG19_Weights.IMAGENET1K_V1
    state = weights.get_state_dict(progress=True, check_hash=True)
    return {name: tensor for name, tensor in state.items() if name.startswith("features.")}
