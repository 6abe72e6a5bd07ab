"""What is asked of a watch that is made or changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from indexer.errors import BadWatch
from search_api.fields import FilterFields, SearchFields, ViewsFields
from search_api.request import WHOLE, KeptPicture, SearchRequest
from search_api.watch.webhook import check_url

MAX_SIGNS = 1000  # of a list
_ASKED = {*FilterFields.model_fields, "weights"}  # fields of which a watch is made for good


@dataclass(frozen=True)
class NewWatch:
    """A watch to be made.

    Attributes:
        name: of the list: 1 to 64 letters, digits, blanks, dots, dashes and underscores.
        threshold: score from which a mark is near, as searches give it.
        mark_ids: marks of the register to watch.
        pictures: other pictures to watch, each with what it is called.
        fields: filter and weights; and what of the signs is watched, as in a search.
        webhook: address to be told.

    Raises:
        BadWatch: a value is out of range, or nothing is to be watched.
    """

    name: str
    threshold: float
    mark_ids: Sequence[str] = ()
    pictures: Sequence[tuple[str, bytes | KeptPicture]] = ()
    fields: SearchFields = field(default_factory=SearchFields)
    webhook: str | None = None

    def __post_init__(self) -> None:
        """Check ranges."""
        plain = self.name.replace(" ", "").replace("-", "").replace("_", "").replace(".", "")
        is_dots = not self.name.strip(".")
        if not plain.isalnum() or len(self.name) > 64 or self.name != self.name.strip() or is_dots:
            raise BadWatch(
                f"{self.name[:70]!r} cannot name a watch: take 1 to 64 letters, digits, blanks, "
                "dots, dashes and underscores"
            )
        _check_threshold(self.threshold)
        signs = len(self.mark_ids) + len(self.pictures)
        if not 1 <= signs <= MAX_SIGNS:
            raise BadWatch(f"{signs} signs cannot be watched; give 1 to {MAX_SIGNS}")
        if len(self.fields.other_views) >= signs:
            raise BadWatch("there are more views than signs to watch")
        if self.webhook is not None:
            check_url(self.webhook)
        self.request()  # refuses codes and weights that cannot be

    @property
    def asked(self) -> Mapping[str, Any]:
        """Filter and weights, of which all marks are asked for good."""
        return self.fields.model_dump(mode="json", include=_ASKED, exclude_defaults=True)

    def request(self) -> SearchRequest:
        """A search of the filter and the weights, without a picture."""
        return request_of(self.asked)


@dataclass(frozen=True)
class WatchChange:
    """What of a watch is changed; the rest stays.

    Attributes:
        threshold: score from which a mark is near.
        webhook: address to be told.
        remove_webhook: whether nobody is told any more.
        mark_ids: more marks of the register to watch.
        pictures: more pictures to watch, each with what it is called.
        fields: what of the new signs is watched.
        removed: labels of signs that are watched no more.

    Raises:
        BadWatch: a value is out of range, or nothing is changed.
    """

    threshold: float | None = None
    webhook: str | None = None
    remove_webhook: bool = False
    mark_ids: Sequence[str] = ()
    pictures: Sequence[tuple[str, bytes | KeptPicture]] = ()
    fields: ViewsFields = field(default_factory=ViewsFields)
    removed: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Check ranges."""
        signs = len(self.mark_ids) + len(self.pictures)
        if not (self.values or signs or self.removed):
            raise BadWatch("nothing is to be changed: give a threshold, a webhook or signs")
        if self.threshold is not None:
            _check_threshold(self.threshold)
        if self.webhook is not None:
            if self.remove_webhook:
                raise BadWatch("a webhook is given, and is to be removed; do one of them")
            check_url(self.webhook)
        views = len(self.fields.other_views) + (self.fields.view() != WHOLE)
        if views > signs:
            raise BadWatch("there are more views than signs to add")

    @property
    def values(self) -> Mapping[str, Any]:
        """Threshold and webhook, where they change."""
        threshold = {} if self.threshold is None else {"threshold": self.threshold}
        changes_webhook = self.remove_webhook or self.webhook is not None
        return threshold | ({"webhook": self.webhook} if changes_webhook else {})


def request_of(asked: Mapping[str, Any]) -> SearchRequest:
    """The search, without a picture, of a watch's filter and weights."""
    return SearchFields.model_validate(dict(asked)).request()


def _check_threshold(threshold: float) -> None:
    if not 0 < threshold <= 1:
        raise BadWatch(f"the threshold is {threshold}; it is a score above 0, up to 1")
