"""The pages' texts: every one in the catalogue and in each language, which a request chooses."""

from datetime import date

import pytest
from babel.messages import Catalog

from scripts.write_texts import (
    bare_texts_of_script,
    bare_texts_of_template,
    faults,
    faults_of,
)
from search_api.languages import LANGUAGES


def test_every_text_of_the_pages_is_in_the_catalogue_in_each_language():
    assert faults() == [], "run make texts, then write what lacks into search_api/web/catalogue"


@pytest.mark.parametrize(
    ("template", "bare"),
    [
        ("<h1>Marks found</h1>", ["Marks found"]),
        ('<h1>{{ _("Marks found") }}</h1>', []),
        ('<img alt="A mark" src="{{ mark.image }}">', ["A mark"]),
        ('<a title="{{ "Open it" if x else _("Close") }}">{{ mark.id }}</a>', ['"Open it"']),
        ("<b class='is-new'>MarkLens</b>", []),
    ],
)
def test_a_template_that_says_something_past_the_catalogue_is_found(template, bare):
    assert list(bare_texts_of_template(template)) == bare


def test_a_template_translates_only_literals():
    assert "translated" in next(bare_texts_of_template("{{ _(view.label) }}"))


@pytest.mark.parametrize(
    ("script", "bare"),
    [
        ("h('p', {}, 'No mark passes')", ["No mark passes"]),
        ("h('p', {}, t('No mark passes'))", []),
        ("node.title = `Sort by ${field}`", ["Sort by "]),
        ("plural(hits.total(), '%(n)s mark found', '%(n)s marks found')", []),
        ("h('li', { class: 'hit row' }) // No mark passes", []),
        ("event.key === 'Escape'", []),
    ],
)
def test_a_script_that_says_something_past_the_catalogue_is_found(script, bare):
    assert list(bare_texts_of_script(script)) == bare


def test_a_translation_that_lacks_or_fills_in_other_names_is_found():
    catalogue = Catalog(locale="fr")
    catalogue.add("Open %(mark)s", "Ouvrir %(marque)s")
    catalogue.add("Gone")
    found = " ".join(faults_of(catalogue, {"Open %(mark)s", "New", ("%(n)s code", "%(n)s codes")}))
    for part in ("lacks 'New'", "lacks ('%(n)s code'", "'Open %(mark)s' is not", "holds 'Gone'"):
        assert part in found


@pytest.mark.parametrize(
    ("asked", "language"),
    [
        ({}, "en"),
        ({"headers": {"accept-language": "fr-CH, en;q=0.9"}}, "fr"),
        ({"headers": {"accept-language": "de, en;q=0.5, fr;q=0.8"}}, "fr"),
        ({"headers": {"accept-language": "de;q=x, *"}}, "en"),
        ({"headers": {"accept-language": "en", "cookie": "lang=fr"}}, "fr"),
        ({"headers": {"cookie": "lang=fr"}, "params": {"lang": "en"}}, "en"),
        ({"params": {"lang": "xx"}}, "en"),
    ],
)
def test_a_page_is_in_the_language_of_address_cookie_or_browser(client, asked, language):
    answer = client.get("/marks/M-3", **asked)
    assert answer.headers["content-language"] == language
    assert f'<html lang="{language}">' in answer.text
    assert {"Accept-Language", "Cookie"} <= set(answer.headers["vary"].split(", "))
    assert ("Classes de Nice" in answer.text) == (language == "fr")
    client.cookies.clear()


def test_a_chosen_language_is_kept_in_a_cookie(client):
    assert "lang=fr" in client.get("/", params={"lang": "fr"}).headers["set-cookie"]
    assert "Choisir un fichier" in client.get("/").text
    client.cookies.clear()
    assert "set-cookie" not in client.get("/", headers={"accept-language": "fr"}).headers


def test_the_search_without_scripts_is_in_french_too(client):
    answer = client.get("/results", params={"text": "word 7", "lang": "fr"})
    assert answer.status_code == 200
    assert "mots identiques" in answer.text
    assert "déposée le 01/01/2017" in answer.text
    refused = client.get("/results", params={"lang": "fr"})
    assert refused.status_code == 422
    assert "Choisissez une image" in refused.text
    client.cookies.clear()


def test_a_status_with_a_percent_sign_is_shown_as_it_is(client):
    answer = client.get("/marks/100%25%20(x)s", headers={"accept-language": "fr"})
    assert answer.status_code == 404
    assert "« 100% (x)s »" in answer.text.replace("\u00a0", " ")


def test_numbers_and_days_are_written_as_the_language_does():
    english, french = LANGUAGES["en"], LANGUAGES["fr"]
    assert (english.number(1742), english.number(0.5, 3)) == ("1,742", "0.500")
    assert (french.number(1742), french.number(0.5, 3)) == ("1\u202f742", "0,500")
    assert english.day(date(2019, 1, 7)) == "2019-01-07"
    assert french.day(date(2019, 1, 7)) == "07/01/2019"


def test_french_puts_no_plain_blank_before_its_marks():
    texts = LANGUAGES["fr"].translations.gettext("Open %(mark)s"), *LANGUAGES["fr"].texts.values()
    plain = [text for text in texts if any(f" {mark}" in str(text) for mark in ":;?!»")]
    assert plain == []
