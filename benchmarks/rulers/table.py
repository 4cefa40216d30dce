"""The tables, in Markdown and as CSV."""

from __future__ import annotations

import csv
from io import StringIO
from typing import TYPE_CHECKING

from rulers.figures import COST
from rulers.summary import Summary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rulers.cells import Outcome
    from rulers.datasets import DataSet
    from rulers.figures import Figure
    from rulers.rows import Row

CSV_HEAD = ("row", "dataset", "seed", "figure", "value", "protocol", "labels", "split", "ignored")


def markdown(data: DataSet, rows: Sequence[Row], outcomes: Sequence[Outcome]) -> str:
    """Return heading, table and statements of a data set."""
    if data.missing:
        return f"### {data.name}\n\n**Skipped:** the folder `{data.folder}` is missing."
    figures = (*data.figures, *COST)
    own = [outcome for outcome in outcomes if outcome.cell.data == data.name]
    rows = [row for row in rows if any(outcome.cell.row == row.name for outcome in own)]
    heads = " | ".join(figure.title for figure in figures)
    lines = [f"### {data.name}", "", _about(data), "", f"| row | {heads} |"]
    lines += ["|---" * (len(figures) + 1) + "|", *_body(rows, figures, own), ""]
    lines += _statements(data.figures)
    return "\n".join([*lines, *_failures(own)])


def caption(rows: Sequence[Row]) -> str:
    """Return what the rows are, one line each."""
    lines = [f"- **{row.name}**: {row.about}{_seeds(row)}." for row in rows]
    return "\n".join(["Rows:", "", *lines])


def csv_text(data_sets: Sequence[DataSet], outcomes: Sequence[Outcome]) -> str:
    """Return a line for each row, data set, seed and figure; a failure is a figure, too."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_HEAD)
    for data in data_sets:
        for outcome in outcomes:
            if outcome.cell.data == data.name:
                writer.writerows(_csv_rows(data, outcome))
    return text.getvalue()


def _about(data: DataSet) -> str:
    return f"Split: {data.split}. {data.about} Ignored: {data.ignored}."


def _statements(figures: Sequence[Figure]) -> list[str]:
    """Return a line for each protocol, with all columns that follow it."""
    titles: dict[str, list[str]] = {}
    for figure in figures:
        statement = f"`{figure.rule}`; {figure.protocol}. Labels used {figure.labels}."
        titles.setdefault(statement, []).append(figure.title)
    return [f"- **{' · '.join(columns)}**: {text}" for text, columns in titles.items()]


def _seeds(row: Row) -> str:
    if row.most_seeds is None:
        return ""
    return "; draws nothing at random" if row.most_seeds == 1 else f"; {row.most_seeds} seeds only"


def _body(rows: Sequence[Row], figures: Sequence[Figure], own: Sequence[Outcome]) -> list[str]:
    by_row = {row.name: [o for o in own if o.cell.row == row.name] for row in rows}
    lines = {name: [name] for name in by_row}
    for figure in figures:
        column = {name: Summary.of(found, figure) for name, found in by_row.items()}
        ranks = [summary.rank(figure) for summary in column.values()]
        best = max((rank for rank in ranks if rank is not None), default=None)
        for name, summary in column.items():
            text, rank = summary.text(figure), summary.rank(figure)
            lines[name].append(f"**{text}**" if rank is not None and rank == best else text)
    return [f"| {' | '.join(line)} |" for line in lines.values()]


def _failures(own: Sequence[Outcome]) -> list[str]:
    failed = [outcome for outcome in own if outcome.failure]
    lines = [f"- {o.cell.row}, seed {o.cell.seed}: {o.failure}" for o in failed]
    return ["", "**Failed:**", "", *lines] if lines else []


def _csv_rows(data: DataSet, outcome: Outcome) -> list[tuple[object, ...]]:
    cell = outcome.cell
    names = (cell.row, cell.data, cell.seed)
    if outcome.failure:
        return [(*names, "failure", outcome.failure, "", "", data.split, data.ignored)]
    return [
        (*names, f.key, outcome.values[f.key], f.rule, f.labels, data.split, data.ignored)
        for f in (*data.figures, *COST)
    ]
