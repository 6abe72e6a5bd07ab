"""What the pages show follows the tables of a mark's fields and of a filter's."""

from datetime import date

from indexer.marks import MARK_FIELDS, Facets
from indexer.query import FILTER_FIELDS
from models.vienna import ViennaCode
from search_api.languages import LANGUAGES
from search_api.web.views import CodeView, ControlView, fields_of_scripts


def test_every_filter_but_those_of_codes_has_a_control():
    filed, registered = (date(2001, 1, 2), date(2024, 3, 4)), (date(2002, 1, 2), date(2023, 3, 4))
    facets = Facets({"registered": 3}, {"EM": 3}, {9: 2}, filed, registered)
    controls = ControlView.of(facets)
    names = {name for one in controls for name in (one.name, one.last_name) if name}
    assert names == {one.name for one in FILTER_FIELDS if one.restricts and not one.has_codes}
    days = [(one.name, one.last_name, one.days) for one in controls if one.kind == "days"]
    assert days == [
        ("filed_from", "filed_to", filed),
        ("registered_from", "registered_to", registered),
    ]


def test_a_control_without_anything_to_choose_from_is_left_out():
    assert [one.name for one in ControlView.of(Facets())] == ["text", "number", "owner"]


def test_scripts_are_given_every_field_of_a_mark_and_of_its_filter():
    fields = fields_of_scripts(LANGUAGES["en"])
    assert {one["name"] for one in fields["mark"]} == {one.name for one in MARK_FIELDS}
    assert {"name": "filed", "kind": "day", "title": "Filed"} in fields["mark"]
    assert {"name": "filed_to", "kind": "last_day", "title": "Filed"} in fields["filter"]


def test_a_code_names_those_above_it_but_none_twice():
    lion = CodeView.of(ViennaCode.parse("03.01.01"))
    assert (lion.above, lion.title) == (("Animals", "Quadrupeds (Series I)"), "Lions")
    blue = CodeView.of(ViennaCode.parse("29.01.04"))
    assert (blue.above, blue.title) == (("Colours",), "Blue")
