"""Reports that open anywhere: one HTML file, charts as PNG beside it and inside it."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import jinja2
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

_PAGE = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
    """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>
  body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto;
    padding: 0 1rem; color: #1c2024; background: #fff; }
  h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.5rem; }
  table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
  .wide { overflow-x: auto; }
  th, td { padding: .25rem .75rem; text-align: right; border-bottom: 1px solid #e4e7eb; }
  th:first-child, td:first-child { text-align: left; }
  thead th { position: sticky; top: 0; background: #fff; }
  img { max-width: 100%; height: auto; }
</style>
<h1>{{ title }}</h1>
{% for section in sections %}
<h2>{{ section.heading }}</h2>
{% for text in section.texts %}
<p>{{ text }}</p>
{% endfor %}
{% for image, alt in section.pictures %}
<p><img src="data:image/png;base64,{{ image }}" alt="{{ alt }}"></p>
{% endfor %}
{% if section.rows %}
<div class="wide"><table>
<thead><tr>{% for cell in section.columns %}<th scope="col">{{ cell }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in section.rows %}
<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}
</tbody></table></div>
{% endif %}
{% endfor %}
</html>
"""
)


@dataclass(frozen=True)
class Section:
    """A part of a report.

    Attributes:
        heading: its title.
        texts: paragraphs.
        pictures: PNG files, with what each shows in words.
        columns, rows: a table.
    """

    heading: str
    texts: Sequence[str] = ()
    pictures: Sequence[tuple[Path, str]] = ()
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = field(default=())


def html_report(path: Path, title: str, sections: Sequence[Section]) -> Path:
    """Write a report that needs no other file."""
    shown = [
        {
            "heading": section.heading,
            "texts": section.texts,
            "pictures": [
                (base64.b64encode(picture.read_bytes()).decode(), alt)
                for picture, alt in section.pictures
            ],
            "columns": section.columns,
            "rows": section.rows,
        }
        for section in sections
    ]
    path.write_text(_PAGE.render(title=title, sections=shown), "utf-8")
    return path


def curves_png(
    path: Path, title: str, curves: Mapping[str, Sequence[float]], x_label: str, y_label: str
) -> Path:
    """Draw one line per name over 1, 2, 3, ..."""
    figure, axes = _axes(title, x_label, y_label)
    for name, values in curves.items():
        axes.plot(range(1, len(values) + 1), values, marker="o", markersize=3, label=name)
    axes.legend(frameon=False)
    return _saved(figure, path)


def bars_png(path: Path, title: str, bars: Mapping[str, float], prior: Mapping[str, float]) -> Path:
    """Draw a horizontal bar of average precision per name, a dot for the constant prior's."""
    figure, axes = _axes(title, "average precision", "", height=max(2.5, 0.24 * len(bars) + 1))
    names = list(bars)[::-1]
    axes.barh(names, [bars[name] for name in names], color="#4c78a8")
    known = [name for name in names if name in prior]
    axes.plot([prior[name] for name in known], known, "o", color="#1c2024", label="constant prior")
    axes.legend(frameon=False, loc="lower right")
    axes.tick_params(axis="y", labelsize=8)
    return _saved(figure, path)


def reliability_png(path: Path, title: str, said: Sequence[float], true: Sequence[float]) -> Path:
    """Draw how often what was said with some probability was true."""
    figure, axes = _axes(title, "probability said", "share that was true")
    axes.plot([0, 1], [0, 1], color="#9aa3ad", linewidth=1)
    axes.plot(said, true, marker="o")
    return _saved(figure, path)


def _axes(title: str, x_label: str, y_label: str, height: float = 3.6):  # type: ignore[no-untyped-def]
    figure = Figure(figsize=(7, height), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.set(title=title, xlabel=x_label, ylabel=y_label)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _saved(figure: Figure, path: Path) -> Path:
    figure.savefig(path)
    return path
