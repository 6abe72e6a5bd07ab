"""The reports of `marklens evaluate`: plain values for JSON, and a page with charts."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from models.evaluation.classification_metrics import LabelScore
from models.evaluation.classification_protocol import ClassificationResult, LevelResult
from models.evaluation.html_report import Section, bars_png, html_report, reliability_png
from models.evaluation.intervals import Interval
from models.evaluation.retrieval_protocol import RetrievalResult
from models.vienna import ViennaCode, ViennaTree

_PRIOR = (
    "The constant prior says each label's frequency for every picture: it has learnt nothing. "
    "binary_accuracy and hamming_loss look good for it too, since most labels are absent from most "
    "pictures; mAP, LRAP and micro_F1 tell networks apart. keras_accuracy is what Keras calls "
    "accuracy here: how often the highest score stands in the first true column.",
)
_COUNTED = (
    "METU's official code and MPEG-7's bull's eye count the query itself among what is relevant, "
    "which flatters; the first columns leave it out. Ties count against the network in both.",
)
_CHANGED = (
    "Each picture is changed and must find its original among all pictures: the share of first "
    "places, and the mean of 1 / rank. remove_word has the word added to the picture searched, and "
    "queries with the bare one.",
)
_SAME = "the very same pixels"
_MOST_EXCEPTIONS = 100


def classification_values(found: ClassificationResult) -> dict[str, Any]:
    """What `--json` prints: ``metrics`` are the broadest level's, the categories' as a rule."""
    levels = {
        name: {
            "metrics": plain(level.metrics),
            "constant_prior": dict(level.prior),
            "labels": {code: asdict(score) for code, score in level.labels.items()},
        }
        for name, level in found.levels.items()
    }
    first = next(iter(levels.values()))
    return {
        "metrics": first["metrics"],
        "constant_prior": first["constant_prior"],
        "levels": levels,
        "pictures": found.pictures,
        "seen": found.seen,
        "seen_measured": found.with_seen,
        "left_out": list(found.left_out),
        "not_predicted": [str(code) for code in found.unknown],
    }


def seen_note(found: ClassificationResult) -> str:
    """How many pictures the network has seen; empty if it has seen none."""
    if not found.seen:
        return ""
    if found.with_seen:
        return (
            f"{found.seen} of these {found.pictures} pictures were learnt from or chosen by: on "
            "them the network looks better than it is"
        )
    return (
        f"{found.seen} of these {found.seen + found.pictures} pictures were learnt from or chosen "
        f"by; measured: the other {found.pictures}"
    )


def retrieval_values(found: RetrievalResult) -> dict[str, Any]:
    """What `--json` prints."""
    return {
        "metrics": plain(found.metrics),
        "query_counted": plain(found.counted),
        "whole_signs": plain(found.whole),
        "transformations": {name: plain(row) for name, row in found.transformations.items()},
        "self_retrieval": {
            "asked": found.itself.asked,
            "exact_duplicates": [list(pair) for pair in found.itself.duplicates],
            "failures": [list(pair) for pair in found.itself.failures],
        },
        "queries": found.queries,
        "gallery": found.gallery,
        "left_out": list(found.left_out),
    }


def plain(metrics: Mapping[str, Interval]) -> dict[str, dict[str, float]]:
    """Metrics as JSON has them."""
    return {name: asdict(one) for name, one in metrics.items()}


def metric_rows(
    metrics: Mapping[str, Interval], *beside: Mapping[str, float]
) -> list[tuple[str, ...]]:
    """Rows of a table: metric, value, interval, what stands beside it."""
    return [
        (
            name,
            f"{one.value:.4f}",
            f"{one.low:.4f} to {one.high:.4f}",
            *(f"{other[name]:.4f}" for other in beside),
        )
        for name, one in metrics.items()
    ]


def retrieval_table(found: RetrievalResult) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Columns and rows of the metrics, whole signs alone beside them where that was asked for."""
    others = {"query counted": found.counted, "whole signs alone": found.whole}
    beside = {name: one for name, one in others.items() if one}
    values = ({name: one.value for name, one in each.items()} for each in beside.values())
    columns = ("metric", "value", "95 % interval", *beside)
    return columns, metric_rows(found.metrics, *values)


def report_classification(out: Path, found: ClassificationResult) -> Path:
    """Write ``report.html`` and its PNGs."""
    sections = [
        section
        for name, level in found.levels.items()
        for section in _level_sections(out, name, level)
    ]
    if found.seen:
        sections.insert(0, Section("Pictures", (f"{seen_note(found)}.",)))
    left_out = [line.partition(": ")[::2] for line in found.left_out]
    if left_out:
        columns = ("picture", "why")
        sections.append(Section("Left out", columns=columns, rows=left_out[:_MOST_EXCEPTIONS]))
    title = f"Classification of {found.pictures} pictures"
    return html_report(out / "report.html", title, sections)


def _level_sections(out: Path, name: str, level: LevelResult) -> list[Section]:
    path = out / f"{name}_reliability.png"
    sure = reliability_png(path, "Do probabilities mean what they say?", *level.reliability)
    columns = ("metric", "value", "95 % interval", "constant prior")
    title = f"Average precision of each {name}"
    labels = label_section(out / f"{name}.png", title, level.labels, level.prior_labels)
    return [
        Section(f"Level: {name}", _PRIOR, (), columns, metric_rows(level.metrics, level.prior)),
        Section(f"Calibration: {name}", pictures=[(sure, "share true by probability said")]),
        replace(labels, heading=f"Labels: {name}"),
    ]


def label_section(
    path: Path, title: str, labels: Mapping[str, LabelScore], prior: Mapping[str, float]
) -> Section:
    """Draw a bar a label, with a table below.

    Args:
        path: of the chart, a PNG file.
        title: of the chart.
        labels: by code.
        prior: average precision of the constant prior, by code.
    """
    names = {code: f"{code} {_title(code)[:40]}".strip() for code in labels}
    known = {names[code]: one.AP for code, one in labels.items() if one.AP is not None}
    bars_png(path, title, known, {names[code]: value for code, value in prior.items()})
    rows = [
        (
            names[code],
            str(one.support),
            "" if one.AP is None else f"{one.AP:.3f}",
            *(f"{value:.3f}" for value in (one.precision, one.recall, one.F1, one.threshold)),
        )
        for code, one in labels.items()
    ]
    columns = ("label", "support", "AP", "precision", "recall", "F1", "threshold")
    return Section("Labels", (), [(path, title.lower())], columns, rows)


def report_retrieval(out: Path, found: RetrievalResult) -> Path:
    """Write ``report.html``."""
    columns, rows = retrieval_table(found)
    heads = ("change", "original first", "95 % interval", "mAP")
    changed = [
        (
            name,
            f"{row['recall_at_1'].value:.3f}",
            f"{row['recall_at_1'].low:.3f} to {row['recall_at_1'].high:.3f}",
            f"{row['mAP'].value:.3f}",
        )
        for name, row in found.transformations.items()
    ]
    itself = found.itself
    exceptions = [
        *((*pair, "a different picture") for pair in itself.failures),
        *((*pair, _SAME) for pair in itself.duplicates),
    ]
    words = (
        f"{itself.asked} pictures were their own query; for {len(itself.failures)} a different "
        f"picture scored as high, for {len(itself.duplicates)} one with the very same pixels.",
    )
    pair_heads = ("picture", "scores as high", "which is")
    sections = [
        Section("Metrics", _COUNTED, (), columns, rows),
        Section("Own picture first", words, (), pair_heads, exceptions[:_MOST_EXCEPTIONS]),
    ]
    if changed:
        sections.insert(1, Section("Changed copies", _CHANGED, (), heads, changed))
    title = f"Retrieval: {found.queries} queries among {found.gallery} pictures"
    return html_report(out / "report.html", title, sections)


def _title(code: str) -> str:
    return ViennaTree.load().title(ViennaCode.parse(code))
