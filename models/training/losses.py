"""Losses: asymmetric multi-label classification, and supervised contrast of embeddings."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

_MARGIN = 0.05
_PROXY_TEMPERATURE = 0.07


def asymmetric_loss(logits: Tensor, targets: Tensor, focus: float = 2.0) -> Tensor:
    """Binary cross-entropy that cares less for easy negatives.

    Ridnik et al., "Asymmetric loss for multi-label classification", ICCV 2021, equation 7 with
    γ₊ = 0: a negative's probability is first lowered by `_MARGIN`, then weighted by its power
    ``focus``; very easy negatives (and some wrongly unlabelled positives) weigh nothing.

    Args:
        logits: (n, labels).
        targets: (n, labels) of 0 and 1; a negative entry is unknown and weighs nothing.
        focus: γ₋.

    Returns:
        Scalar: mean over rows of the sum over labels.
    """
    known = (targets >= 0).float()
    targets = targets * known
    positive = -functional.logsigmoid(logits) * targets
    shifted = (torch.sigmoid(logits) - _MARGIN).clamp(min=0.0)
    negative = -torch.log((1.0 - shifted).clamp(min=1e-7)) * shifted.pow(focus) * (1.0 - targets)
    return ((positive + negative) * known).sum(dim=1).mean()


def binary_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Plain binary cross-entropy; arguments and result as :func:`asymmetric_loss` has them."""
    known = (targets >= 0).float()
    return functional.binary_cross_entropy_with_logits(
        logits, targets.clamp(min=0.0), known, reduction="sum"
    ) / len(logits)


def max_over_parts(wholes: Tensor, parts: Tensor, owner: Tensor, shown: Tensor) -> Tensor:
    """Logits of pictures some of which have parts, as `models.network.parts.best_seen` has them.

    A code is learnt where it is seen best, which nobody had to mark (multiple-instance learning
    with the maximum: Maron and Lozano-Pérez, NIPS 1997); one that the picture does not bear is
    denied where it is most believed.

    Args:
        wholes: (n, labels) of pictures.
        parts: (m, labels) of their parts.
        owner: (m,) the row of each part's picture.
        shown: (labels,) bool, the codes that parts are asked for; on any device.

    Returns:
        (n, labels).
    """
    if not len(parts):
        return wholes
    asked = parts.masked_fill(~shown.to(parts.device), float("-inf"))
    of = owner[:, None].expand(-1, wholes.shape[1])
    return wholes.scatter_reduce(0, of, asked, "amax", include_self=True)


class Memory(NamedTuple):
    """Embeddings of earlier steps, which serve as further negatives.

    Cross-batch memory: Wang et al., "Cross-batch memory for embedding learning", CVPR 2020. While
    weights change slowly, old embeddings are nearly what they would be now; so a small batch has
    thousands of negatives.
    """

    embeddings: Tensor  # (m, d) of unit length, without gradients
    groups: Tensor  # (m,) integers
    codes: Tensor  # (m, labels) of 0, 1 and -1 (unknown)


def supervised_contrast(
    embeddings: Tensor,
    groups: Tensor,
    temperature: float,
    ignore: Tensor | None = None,
    memory: Memory | None = None,
) -> Tensor:
    """Draw members of a group together and the others apart.

    Khosla et al., "Supervised contrastive learning", NeurIPS 2020, equation 2 (L_out).

    Args:
        embeddings: (n, d) of unit length.
        groups: (n,) integers; rows with equal numbers belong together.
        temperature: τ.
        ignore: (n, n + m) bool, pairs that count neither way (same meaning, other group).
        memory: m further rows, compared with but not averaged over.

    Returns:
        Scalar: mean over the rows that have a partner.
    """
    n = len(embeddings)
    others, of_others = embeddings, groups
    if memory is not None:
        others = torch.cat([embeddings, memory.embeddings])
        of_others = torch.cat([groups, memory.groups])
    logits = embeddings @ others.T / temperature
    itself = torch.eye(n, len(others), dtype=torch.bool, device=embeddings.device)
    together = (groups[:, None] == of_others[None, :]) & ~itself
    left_out = itself if ignore is None else itself | (ignore & ~together)
    logits = logits.masked_fill(left_out, float("-inf"))
    log_share = logits - torch.logsumexp(logits, dim=1, keepdim=True)
    partners = together.sum(dim=1)
    drawn = log_share.masked_fill(~together, 0.0).sum(dim=1) / partners.clamp(min=1)
    return -drawn[partners > 0].mean()


def proxy_loss(embeddings: Tensor, groups: Tensor, proxies: Tensor) -> Tensor:
    """Tell all groups apart at once, by a learnt direction for each.

    Zhai and Wu, "Classification is a strong baseline for deep metric learning", BMVC 2019
    (normalised softmax). Every picture meets every group in every step, where contrast meets only
    those drawn with it.

    Args:
        embeddings: (n, d) of unit length.
        groups: (n,) rows of ``proxies``.
        proxies: (m, d) of any length.

    Returns:
        Scalar: mean cross-entropy.
    """
    cosines = embeddings @ functional.normalize(proxies, dim=1).T
    return functional.cross_entropy(cosines / _PROXY_TEMPERATURE, groups)
