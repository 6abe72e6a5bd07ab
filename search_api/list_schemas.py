"""Lists of marks as HTTP answers with them and the command line prints them with ``--json``."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from search_api.answers import Answer
from search_api.match_schemas import WordMatchResponse
from search_api.schemas import MarkResponse

_LISTED: dict[str, Any] = {
    **MarkResponse.model_json_schema()["examples"][0],
    "match": WordMatchResponse.model_json_schema()["examples"][0],
}


class ListedResponse(MarkResponse):
    """A mark of a list."""

    match: WordMatchResponse | None = Field(
        description="How its words match; null where no words were looked for."
    )


class ListResponse(BaseModel):
    """A page of a list of marks."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"total": 1, "next": None, "marks": [_LISTED]}]}
    )

    total: int = Field(
        description="Marks that pass; where `text` is given, those with words alike, the likest of "
        "the register: some hundreds at most."
    )
    next: str | None = Field(description="Send it as `after` for the next page; null at the end.")
    marks: list[ListedResponse]

    @classmethod
    def of(cls, answer: Answer) -> "ListResponse":
        """Show the answer to a request without picture."""
        marks = [
            ListedResponse(
                **MarkResponse.of(hit.mark).model_dump(),
                match=WordMatchResponse.of_match(hit.words),
            )
            for hit in answer.hits
        ]
        return cls(total=answer.plan.matched, next=answer.next, marks=marks)
