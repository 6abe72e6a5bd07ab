"""Colours and style sheets of an SVG are brought to what the renderer knows.

The renderer (resvg) reads SVG 1.1's CSS: a colour of CSS Color 4 (``color(display-p3 …)``,
``oklch(…)``, ``rgb(0 0 0 / 50%)``), a custom property or a media query makes it draw black, or
nothing. Here they become hexadecimal colours and plain rules, as a browser would read them. What
cannot be read is refused, so that no mark is drawn in a wrong colour.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

import tinycss2
from coloraide import Color
from tinycss2.ast import AtRule, Declaration, FunctionBlock, Node, QualifiedRule

# A drawing without any of these is left as it is.
_MODERN = re.compile(
    r"\b(?:[a-z]{1,9}-)?color(?:-[a-z]{1,9})?\(|\b(?:oklch|oklab|lab|lch|hwb|hsla?|rgba?)\("
    r"|\b(?:light-dark|device-[a-z]{1,9}|var|env|attr)\("
    r"|@[a-z]|:root|<\?xml-stylesheet|--[\w-]{1,99}\s*:|<style\b[^>]*\smedia\s*=|\{[^{}]*\{",
    re.IGNORECASE,
)
_COLOURS = frozenset(("color", "oklch", "oklab", "lab", "lch", "hwb", "hsl", "hsla", "rgb", "rgba"))
# Of printers; in SVG 1.1 the same colour in sRGB stands before it.
_INKS = frozenset(("icc-color", "icc-named-color", "device-cmyk", "device-gray", "device-rgb"))
_PAINTS = "fill|stroke|color|stop-color|flood-color|lighting-color"
_ATTRIBUTE = re.compile(rf"""(?<=\s)({_PAINTS}|style)(\s*=\s*)("[^"<]*"|'[^'<]*')""")
_UNREAD_FUNCTION = re.compile(r"\b(?!url\()[a-z][\w-]*\(", re.IGNORECASE)
_STYLE_ELEMENT = re.compile(
    r"(<(?:[\w.-]+:)?style\b[^>]*(?<!/)>)(.*?)(</(?:[\w.-]+:)?style\s*>)", re.DOTALL
)
_STYLE_SHEET = re.compile(r"<\?xml-stylesheet\b[^>]*?href\s*=\s*[\"']([^\"']{1,200})")
_ROOT_TAG = re.compile(r"<(?:[\w.-]+:)?svg\b[^>]*>")
_ROOT_RULE = re.compile(r"(^|,)\s*(:root|svg|\*)\s*(,|$)")
_MEDIA = re.compile(r"""\smedia\s*=\s*("[^"]*"|'[^']*')""")
# Rules that change nothing in a picture that stands still.
_IDLE_RULES = re.compile(r"charset|namespace|font-face|page|counter-style|(-[a-z]+-)?keyframes")
_PAINTED = frozenset(_PAINTS.split("|"))
_DEEPEST = 8  # custom properties that refer to each other

_Known = dict[str, list[Node] | None]  # custom properties; see `_custom_properties`


class UnreadStyle(ValueError):
    """A style that no plain colour or rule can stand for; the text says which."""


def plain_styles(svg: str) -> str:
    """Rewrite the styles of a drawing.

    Args:
        svg: a well-formed document.

    Raises:
        UnreadStyle: it needs a style sheet in another file, or a colour cannot be read.
    """
    if not _MODERN.search(svg):
        return svg
    outside = _STYLE_SHEET.search(svg)
    if outside:
        raise UnreadStyle(f"its style sheet is another file ({outside.group(1)})")
    sheets = [_rules_of(found) for found in _STYLE_ELEMENT.finditer(svg)]
    known = _custom_properties(svg, sheets)
    rewritten = iter([_sheet(rules, known) for rules in sheets])
    svg = _STYLE_ELEMENT.sub(
        lambda found: f"{found.group(1)}<![CDATA[{next(rewritten)}]]>{found.group(3)}", svg
    )
    return _ATTRIBUTE.sub(lambda found: _attribute(found, known), svg)


def _rules_of(element: re.Match[str]) -> list[QualifiedRule]:
    """The rules of a style element that hold.

    Raises:
        UnreadStyle: as in `_rules`.
    """
    media = _MEDIA.search(element.group(1))
    if media and not _holds(_unescaped(media.group(1)[1:-1])):
        return []
    return list(_rules(_css_of(element.group(2))))


def _css_of(text: str) -> str:
    """The style sheet within a style element: its CDATA section, or its text without entities."""
    inner = text.strip()
    if inner.startswith("<![CDATA["):
        return inner.removeprefix("<![CDATA[").removesuffix("]]>")
    return _unescaped(inner.removeprefix("<!--").removesuffix("-->"))


def _unescaped(text: str) -> str:
    for entity, character in (("&quot;", '"'), ("&apos;", "'"), ("&gt;", ">"), ("&amp;", "&")):
        text = text.replace(entity, character)
    return text


def _rules(css: str | list[Node]) -> Iterator[QualifiedRule]:
    """The rules that hold on paper and a screen in light colours; those of others are left out.

    Raises:
        UnreadStyle: a rule depends on another file, or on what is not known here.
    """
    parse = tinycss2.parse_stylesheet if isinstance(css, str) else tinycss2.parse_rule_list
    for rule in parse(css, skip_comments=True, skip_whitespace=True):
        if isinstance(rule, QualifiedRule):
            yield rule
        elif isinstance(rule, AtRule) and rule.lower_at_keyword == "import":
            raise UnreadStyle(f"its style sheet is another file ({_text(rule.prelude).strip()})")
        elif isinstance(rule, AtRule) and rule.lower_at_keyword == "media":
            yield from _rules(rule.content or []) if _holds(_text(rule.prelude)) else ()
        elif isinstance(rule, AtRule) and not _IDLE_RULES.fullmatch(rule.lower_at_keyword):
            raise UnreadStyle(f"it is drawn otherwise by @{rule.at_keyword[:60]}")


def _holds(media: str) -> bool:
    """Whether any query of a media list holds for a picture on a light screen."""
    answers = []
    for query in media.lower().split(","):
        words = re.sub(r"\b(only|all|screen|and)\b|prefers-color-scheme\s*:\s*light", "", query)
        if not words.strip(" ()"):
            answers.append(True)
        elif re.search(r"\b(print|speech)\b|prefers-color-scheme\s*:\s*dark", query):
            answers.append(False)
        else:
            raise UnreadStyle(f"it is drawn otherwise by @media {query.strip()[:60]}")
    return any(answers)


def _declarations(content: Any) -> list[Declaration]:
    """The declarations of one block.

    Raises:
        UnreadStyle: rules stand within it.
    """
    parsed = tinycss2.parse_blocks_contents(content, skip_comments=True, skip_whitespace=True)
    if any(isinstance(one, QualifiedRule | AtRule) for one in parsed):
        raise UnreadStyle("it has rules within rules")
    return [one for one in parsed if isinstance(one, Declaration)]


def _custom_properties(svg: str, sheets: list[list[QualifiedRule]]) -> _Known:
    """The custom properties of the root, which every element inherits.

    Which elements inherit another value is not looked at: a property that is given one anywhere
    has the value None.
    """
    blocks = [(_text(one.prelude).strip(), one.content) for rules in sheets for one in rules]
    root = _ROOT_TAG.search(svg)
    for found in _ATTRIBUTE.finditer(svg):
        if found.group(1) == "style" and "--" in found.group(3):
            is_of_root = root is not None and root.start() < found.start() < root.end()
            place = ":root" if is_of_root else f"at {found.start()}"
            blocks.append((place, _unescaped(found.group(3)[1:-1])))
    # Of one place the last counts.
    values = {
        (place, one.name): one.value
        for place, content in blocks
        for one in _declarations(content)
        if _is_own(one)
    }
    known: _Known = {
        name: value for (place, name), value in values.items() if _ROOT_RULE.search(place)
    }
    others = [
        name
        for (_, name), value in values.items()
        if _text(known.get(name) or []).strip() != _text(value).strip()
    ]
    return known | dict.fromkeys(others)


def _is_own(declaration: Declaration) -> bool:
    return bool(declaration.name.startswith("--"))


def _sheet(rules: list[QualifiedRule], known: _Known) -> str:
    return "\n".join(
        f"{_text(rule.prelude).replace(':root', 'svg')}{{{_block(rule.content, known)}}}"
        for rule in rules
    )


def _block(content: Any, known: _Known) -> str:
    """Declarations with plain values; of one property the last that can be read counts."""
    kept: dict[str, str] = {}
    unread: dict[str, UnreadStyle] = {}
    for one in _declarations(content):
        if _is_own(one):
            continue
        try:
            read = _paint if one.lower_name in _PAINTED else _plain
            value = read(one.value, known).strip()
        except UnreadStyle as error:
            unread[one.name] = error
            continue
        kept.pop(one.name, None)
        kept[one.name] = value + (" !important" if one.important else "")
    lost = next((name for name in unread if name not in kept), None)
    if lost is not None:
        raise unread[lost]
    return ";".join(f"{name}:{value}" for name, value in kept.items())


def _attribute(found: re.Match[str], known: _Known) -> str:
    name, equals, quoted = found.groups()
    value = _unescaped(quoted[1:-1])
    if not _MODERN.search(value):
        return found.group()
    if name == "style":
        plain = _block(value, known)
    else:
        plain = _paint(tinycss2.parse_component_value_list(value, skip_comments=True), known)
    escaped = plain.strip().replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return f'{name}{equals}"{escaped}"'


def _paint(value: list[Node], known: _Known) -> str:
    """A plain value of a property that is a colour, or a gradient.

    Raises:
        UnreadStyle: it holds a function that SVG 1.1 does not have.
    """
    plain = _plain(value, known)
    if _UNREAD_FUNCTION.search(plain):
        raise UnreadStyle(f"its colour {plain.strip()[:60]} cannot be read")
    return plain


def _plain(value: list[Node], known: _Known, depth: int = 0) -> str:
    """A value without custom properties, and with colours that SVG 1.1 has."""
    if depth > _DEEPEST:
        raise UnreadStyle("its custom properties refer to each other")
    done: list[str] = []
    for node in value:
        if not isinstance(node, FunctionBlock):
            done.append(node.serialize())
        elif node.lower_name == "var":
            done.append(_variable(node, known, depth))
        elif node.lower_name in _COLOURS:
            inner = _plain(node.arguments, known, depth + 1)
            done.append(_hexadecimal(f"{node.name}({inner})"))
        elif node.lower_name not in _INKS or not "".join(done).strip():
            done.append(node.serialize())
    return "".join(done)


def _variable(node: FunctionBlock, known: _Known, depth: int) -> str:
    comma = next((at for at, one in enumerate(node.arguments) if one == ","), len(node.arguments))
    name = _text(node.arguments[:comma]).strip()
    if name in known:
        value = known[name]
        if value is None:
            raise UnreadStyle(f"its colour {name} is not the same everywhere in it")
        return _plain(value, known, depth + 1)
    if comma < len(node.arguments):
        return _plain(node.arguments[comma + 1 :], known, depth + 1).strip()
    raise UnreadStyle(f"its colour {_text([node])} is defined nowhere in it")


def _hexadecimal(colour: str) -> str:
    """A colour of CSS Color 4 as sRGB: ``#rrggbb``, or ``#rrggbbaa`` where it is translucent."""
    try:
        return str(Color(colour).convert("srgb").clip().to_string(hex=True))
    except ValueError as error:
        raise UnreadStyle(f"its colour {colour[:60]} cannot be read") from error


_text: Callable[[Any], str] = tinycss2.serialize
