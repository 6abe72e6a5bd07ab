"""EfficientNet-lite0's convolutions, as a peer.

Tan and Le, "EfficientNet: rethinking model scaling for convolutional neural networks", ICML 2019;
the lite variant (TensorFlow TPU models, 2020) has ReLU6, no squeeze-and-excitation, fixed stem
and head. TensorFlow pads "SAME": unevenly where the stride is 2.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional

_EPSILON = 1e-3
# Of each of the 16 blocks: stride, expands.
_STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1)


def efficientnet_lite0(state: Mapping[str, Tensor]) -> Callable[[Tensor], Tensor]:
    """Build the network from its weights.

    Args:
        state: float32 tensors, named as ``efficientnet_lite_pytorch`` names them.

    Returns:
        (n, 3, h, w) in -1..1 → (n, 1280, h/32, w/32).
    """

    def norm(x: Tensor, name: str) -> Tensor:
        parts = (state[f"{name}.{part}"] for part in ("running_mean", "running_var"))
        mean, variance = parts
        return functional.batch_norm(
            x, mean, variance, state[f"{name}.weight"], state[f"{name}.bias"], eps=_EPSILON
        )

    def block(x: Tensor, at: int) -> Tensor:
        name, inside = f"_blocks.{at}", x
        if f"{name}._expand_conv.weight" in state:
            inside = functional.conv2d(inside, state[f"{name}._expand_conv.weight"])
            inside = functional.relu6(norm(inside, f"{name}._bn0"))
        kernel = state[f"{name}._depthwise_conv.weight"]
        inside = _same(inside, kernel, _STRIDES[at], groups=inside.shape[1])
        inside = functional.relu6(norm(inside, f"{name}._bn1"))
        inside = functional.conv2d(inside, state[f"{name}._project_conv.weight"])
        inside = norm(inside, f"{name}._bn2")
        return x + inside if inside.shape == x.shape else inside

    def forward(pixels: Tensor) -> Tensor:
        x = functional.relu6(norm(_same(pixels, state["_conv_stem.weight"], 2), "_bn0"))
        for at in range(len(_STRIDES)):
            x = block(x, at)
        return functional.relu6(norm(functional.conv2d(x, state["_conv_head.weight"]), "_bn1"))

    return forward


def _same(x: Tensor, kernel: Tensor, stride: int, groups: int = 1) -> Tensor:
    """Convolve with TensorFlow's "SAME" padding: what is odd goes to the right and the bottom."""
    size = kernel.shape[-1]
    needed = [max(0, (-(-side // stride) - 1) * stride + size - side) for side in x.shape[2:]]
    down, across = needed
    padded = functional.pad(x, (across // 2, across - across // 2, down // 2, down - down // 2))
    convolved: Tensor = torch.conv2d(padded, kernel, stride=stride, groups=groups)
    return convolved
