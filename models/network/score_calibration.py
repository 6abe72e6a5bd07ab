"""What a score means: the probability that two marks are the same sign or a variant of it."""

from dataclasses import asdict, dataclass
from math import exp, log
from typing import Final, Literal

Band = Literal["near-identical", "strong", "some", "weak"]
BANDS: Final[tuple[tuple[Band, float], ...]] = (  # from which probability; the last is all the rest
    ("near-identical", 0.9),
    ("strong", 0.5),
    ("some", 0.1),
    ("weak", 0.0),
)
NEAREST: Final = 1e-3  # scores this near to 1 or nearer are one: float16 embeddings differ so much


@dataclass(frozen=True, slots=True)
class ScoreCalibration:
    """Score of a search → how much likelier it is between variants than between other marks.

    The logarithm of that ratio is ``offset + slope · score + curve · -log(1 - score)``: the nearer
    to 1, the more a further hundredth says.

    Attributes:
        offset, slope, curve: fitted on pairs of marks that nobody trained on; slope and curve are
            0 or more, so a higher score is never less probable.
    """

    offset: float
    slope: float
    curve: float

    def to_dict(self) -> dict[str, float]:
        """Plain values for the checkpoint's ``config.json``."""
        return asdict(self)

    def log_ratio(self, score: float) -> float:
        """Logarithm of the likelihood ratio at a score."""
        return self.offset + self.slope * score + self.curve * nearness(score)

    def probability(self, score: float, marks: int) -> float:
        """How probably a mark that scores so is the same sign as the query, or a variant of it.

        The prior is one such mark among all that a register holds: a score of 0.8 that one mark in
        a thousand reaches by chance says much where there are a hundred marks, and little where
        there are a million.

        Args:
            score: of a search with the default weights.
            marks: in the register, at least 1.
        """
        logit = self.log_ratio(score) - log(max(marks - 1, 1))
        return 1.0 / (1.0 + exp(-max(-60.0, min(60.0, logit))))


def nearness(score: float) -> float:
    """``-log(1 - score)``, 0 below a score of 0 and finite at 1."""
    return -log(max(NEAREST, 1.0 - max(0.0, score)))


def band_of(probability: float) -> Band:
    """The band that a probability falls into."""
    return next(name for name, least in BANDS if probability >= least)
