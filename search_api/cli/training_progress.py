"""Shows a training run on stderr: a line an epoch, and the progress within it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from search_api.cli.console import print_to_stderr
from search_api.cli.progress import Advance, progress

if TYPE_CHECKING:
    from models.training.labelled_pictures import LabelledPictures
    from models.training.recipe import Depth
    from models.training.trainer import TrainingProgress
    from models.training.training_run import EpochResult, TrainingCallbacks

_DEPTHS = {
    "heads": "the heads learn; the convolutions look at each picture once and are cached",
    "conv5": "conv5 and the heads learn; the layers below look at each picture once and are cached",
    "all": "every layer learns; each picture is opened once beforehand",
}
_SHOWN = {"mAP": "mAP", "LRAP": "LRAP", "micro_F1": "micro F1", "log_loss": "log loss"}


@contextmanager
def training_progress(
    epochs: int, batch: int, device: str, *, quiet: bool = False
) -> "Iterator[TrainingCallbacks]":
    """Show the progress of a training run while the block runs.

    Args:
        epochs: at most.
        batch: pictures a step.
        device: on which it runs.
        quiet: say nothing: stderr is a machine's.
    """
    from models.training.training_run import TrainingCallbacks

    with ExitStack() as stack:
        shown = _TrainingDisplay(epochs, batch, device, stack, quiet)
        yield TrainingCallbacks(shown.gathered, shown.cached, shown.stepped, shown.finished)


class _TrainingDisplay:
    """A bar for each stage of a run, and a line for each epoch."""

    def __init__(self, epochs: int, batch: int, device: str, stack: ExitStack, quiet: bool) -> None:
        self._epochs = epochs
        self._batch = batch
        self._device = device
        self._stack = stack
        self._quiet = quiet
        self._title = ""
        self._advance: Advance | None = None

    def gathered(self, pictures: "LabelledPictures", depth: "Depth") -> None:
        from models.training.training_run import SIDES

        counts = ", ".join(f"{len(pictures.rows(side)):,} for {side}" for side in SIDES)
        labels = len(pictures.labels.codes)
        self._say(f"{len(pictures.jobs):,} pictures ({counts}), {labels} labels")
        if pictures.left_out:
            number, first = len(pictures.left_out), pictures.left_out[0]
            self._say(f"left out: {number:,} pictures; the first is {first}")
        self._say(f"on the {self._device}, {_DEPTHS[depth]}")

    def cached(self, done: int, wanted: int) -> None:
        self._bar("looking once")(done, wanted, done)

    def stepped(self, progress: "TrainingProgress", steps: int) -> None:
        epoch = min(self._epochs, (progress.step - 1) * self._epochs // steps + 1)
        note = f"epoch {epoch} of at most {self._epochs}, loss {progress.vienna:.3f}"
        self._bar("learning")(progress.step, steps, progress.step * self._batch, note)

    def finished(self, epoch: "EpochResult") -> None:
        said, prior = epoch.validation, epoch.prior
        metrics = ", ".join(
            f"{words} {said[name]:.3f} (constant prior {prior[name]:.3f})"
            for name, words in _SHOWN.items()
        )
        best = "; the best so far" if epoch.best else ""
        self._say(f"epoch {epoch.epoch}: loss {epoch.loss:.3f}, validation {metrics}{best}")

    def _bar(self, title: str) -> Advance:
        """The bar of this stage; the one of the stage before is closed."""
        if self._advance is None or title != self._title:
            self._stack.close()
            bar = progress(title, unit="pictures", quiet=self._quiet)
            self._title, self._advance = title, self._stack.enter_context(bar)
        return self._advance

    def _say(self, sentence: str) -> None:
        if not self._quiet:
            print_to_stderr(sentence)
