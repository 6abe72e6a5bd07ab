"""Which pictures a step learns from: every one once an epoch, or as often as is asked for."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.training.batches import BatchSampler, TrainingData, steps_an_epoch
from models.training.recipe import Recipe


def sampler(pictures: int, batch: int, chances: np.ndarray | None = None) -> BatchSampler:
    rows = np.arange(100, 100 + pictures)
    targets = np.zeros((200 + pictures, 2), np.float32)
    return BatchSampler(TrainingData(targets, rows, chances), Recipe(steps=1, labelled=batch))


@given(st.integers(1, 300), st.integers(1, 70), st.integers(0, 3))
@settings(max_examples=80, deadline=None)
def test_every_picture_is_seen_once_an_epoch(pictures: int, batch: int, epoch: int) -> None:
    steps = steps_an_epoch(pictures, batch)
    drawn = sampler(pictures, batch)
    shares = [drawn.draw(epoch * steps + step).rows for step in range(steps)]
    assert sorted(np.concatenate(shares)) == list(range(100, 100 + pictures))
    sizes = [len(share) for share in shares]
    assert max(sizes) - min(sizes) <= 1
    assert max(sizes) <= 1.5 * batch + 1


def test_epochs_come_in_orders_of_their_own_and_a_resumed_run_in_the_same() -> None:
    steps = steps_an_epoch(40, 8)
    first = np.concatenate([sampler(40, 8).draw(step).rows for step in range(steps)])
    again = np.concatenate([sampler(40, 8).draw(step).rows for step in range(steps)])
    second = np.concatenate([sampler(40, 8).draw(steps + step).rows for step in range(steps)])
    assert first.tolist() == again.tolist() != second.tolist()


def test_pictures_with_chances_are_drawn_as_often_as_these_say() -> None:
    chances = np.array([1.0, 3.0, 0.0, 0.0])
    drawn = np.concatenate([sampler(4, 1, chances).draw(step).rows for step in range(400)])
    assert set(drawn) == {100, 101}
    assert 250 < (drawn == 101).sum() < 350
