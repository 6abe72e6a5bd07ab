"""How many marks have each code, class, status and office: what `/vienna` and `/facets` answer."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from indexer.register.listing import FacetCounts
from models.subjects import find_subjects
from models.vienna import ViennaCode, ViennaTree

_MOST = 100  # codes found
_NODE: dict[str, Any] = {"code": "03", "title": "Animals", "marks": 212, "children": []}
_FOUND: dict[str, Any] = {
    "code": "24.09",
    "title": "Crowns, diadems",
    "marks": 31,
    "fit": 0,
    "by": "tiara",
}
_FACETS: dict[str, Any] = {
    "matched": 31,
    "vienna": {"24": 31, "24.09": 31},
    "nice": {"9": 12, "25": 19},
    "status": {"registered": 31},
    "office": {"EM": 20, "US": 11},
}


class ViennaNode(BaseModel):
    """A code of the Vienna Classification and the codes below it."""

    model_config = ConfigDict(json_schema_extra={"examples": [_NODE]})

    code: str = Field(description="The code, as CC, CC.DD or CC.DD.SS.")
    title: str
    marks: int = Field(description="Marks that carry it, or a code below it.")
    children: list["ViennaNode"]


class FoundCode(BaseModel):
    """A code of the Vienna Classification that a text may mean."""

    model_config = ConfigDict(json_schema_extra={"examples": [_FOUND]})

    code: str = Field(description="The code, as CC, CC.DD or CC.DD.SS.")
    title: str
    marks: int = Field(description="Marks that carry it, or a code below it.")
    fit: int = Field(
        ge=0,
        le=3,
        description="0: it stands for just that; 1: it has all of the words; 2: words that begin "
        "so; 3: most of the words, or words one letter away.",
    )
    by: str | None = Field(
        description="The everyday word by which it was found; null where its title says it."
    )


def found_codes(text: str, counts: Mapping[ViennaCode, int]) -> list[FoundCode]:
    """The codes of a subject; of those that fit alike, first those that more marks have."""
    tree = ViennaTree.load()
    subjects = sorted(
        find_subjects(text),
        key=lambda one: (one.fit, one.lacks, -counts.get(one.code, 0), one.by is not None),
    )
    return [
        FoundCode(
            code=str(one.code),
            title=tree.title(one.code),
            marks=counts.get(one.code, 0),
            fit=one.fit,
            by=one.by,
        )
        for one in subjects[:_MOST]
    ]


class ViennaResponse(BaseModel):
    """The Vienna Classification with the number of marks at each code."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"source": "either", "categories": [_NODE], "found": []}]}
    )

    source: Literal["assigned", "predicted", "either"]
    categories: list[ViennaNode] = Field(description="All of it; empty where codes are looked for.")
    found: list[FoundCode] = Field(
        default=[], description="The codes that `q` may mean, the best first."
    )


class FacetsResponse(BaseModel):
    """How many of the marks of a search have each value of each facet."""

    model_config = ConfigDict(json_schema_extra={"examples": [_FACETS]})

    matched: int = Field(description="Marks that pass all of the filter.")
    vienna: dict[str, int] = Field(description="By code, for it or anything below it.")
    nice: dict[int, int] = Field(description="By Nice class.")
    status: dict[str, int]
    office: dict[str, int]

    @classmethod
    def of(cls, counts: FacetCounts) -> "FacetsResponse":
        """Show counts."""
        return cls(
            matched=counts.matched,
            vienna={str(code): marks for code, marks in counts.vienna.items()},
            nice=dict(counts.nice),
            status=dict(counts.status),
            office=dict(counts.office),
        )
