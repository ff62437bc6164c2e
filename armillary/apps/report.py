"""``report.html``: one file that a person reads, with every picture inside it."""

import base64
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from armillary.data.atomic import write_atomically

# Column of the metrics table: key, heading, format.
COLUMNS = (
    ("ll_ipdf", "ll (π² measure)", "{:.2f}"),
    ("ll_haar", "ll (Haar)", "{:.2f}"),
    ("spread_deg", "spread °", "{:.1f}"),
    ("median_error_deg", "median error °", "{:.2f}"),
    ("acc3", "Acc@3", "{:.1%}"),
    ("acc5", "Acc@5", "{:.1%}"),
    ("acc10", "Acc@10", "{:.1%}"),
    ("acc15", "Acc@15", "{:.1%}"),
    ("acc30", "Acc@30", "{:.1%}"),
    ("coverage90", "truth in 90 % region", "{:.1%}"),
    ("n", "views", "{:d}"),
)
ERROR_COLUMNS = tuple(column for column in COLUMNS if column[0] == "median_error_deg" or column[0].startswith("acc"))

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.7rem; margin-bottom: 0; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
.lead { color: #555; margin-top: .2rem; } .note { color: #555; font-size: .9rem; max-width: 50rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .92rem; }
th, td { padding: .3rem .7rem; text-align: right; border-bottom: 1px solid #ddd; }
th { font-weight: 600; vertical-align: bottom; } th:first-child, td:first-child { text-align: left; }
tr.mean td { font-weight: 600; border-top: 2px solid #888; } .scroll { overflow-x: auto; }
.tiles { display: flex; flex-wrap: wrap; gap: 1rem; margin: 1.2rem 0; }
.tile { border: 1px solid #ddd; border-radius: .5rem; padding: .6rem 1rem; min-width: 8rem; }
.tile b { display: block; font-size: 1.5rem; } .tile span { color: #555; font-size: .85rem; }
img { max-width: 100%; height: auto; } pre { background: #f4f4f4; padding: .8rem; overflow-x: auto; font-size: .85rem; }
"""


@dataclass(frozen=True)
class Picture:
    """A picture of a report."""

    title: str
    png: bytes
    note: str = ""


def write_report(
    path: Path,
    title: str,
    lead: str,
    metrics: Mapping,
    pictures: Sequence[Picture],
    reproduce: str,
    details: Mapping[str, str],
) -> None:
    """Write the report whole or not at all.

    Args:
        path: the HTML file.
        title: its heading.
        lead: one sentence below it: which model, which data.
        metrics: what `armillary.evaluation.summarise` returns, perhaps with "baseline".
        pictures: histogram, sheets, learning curve, in order.
        reproduce: the commands that made it.
        details: further facts, name to value.
    """
    body = [
        _tiles(metrics),
        "<h2>Figures</h2>",
        _table(metrics),
        f"<p class='note'>{MEASURES}</p>",
        _error_tables(metrics),
        *(picture_section(picture) for picture in pictures),
        f"<h2>How to reproduce</h2><pre>{html.escape(reproduce)}</pre>",
        details_section(details),
    ]
    write_atomically(path, page(title, lead, body).encode("utf-8"))


def page(title: str, lead: str, body: Sequence[str], style: str = "") -> str:
    """A page of HTML that needs no other file.

    Args:
        title: its heading.
        lead: one sentence below it.
        body: sections of HTML.
        style: CSS beside that of all pages.

    Example:
        >>> page("Mugs", "Two of them.", ["<p>here</p>"]).startswith("<!DOCTYPE html>")
        True
    """
    return (
        f"<!DOCTYPE html><html lang='en'><head><meta charset='utf-8'><title>{html.escape(title)}</title>"
        f"<meta name='viewport' content='width=device-width'><style>{STYLE}{style}</style></head>"
        f"<body><h1>{html.escape(title)}</h1><p class='lead'>{html.escape(lead)}</p>{''.join(body)}</body></html>\n"
    )


def table_section(title: str, markdown: str) -> str:
    """A heading and a table written in markdown, bold cells kept.

    Example:
        >>> table_section("Errors", "| name | error |\\n|---|---:|\\n| mug | **2** |").count("<tr>")
        2
    """
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in markdown.splitlines()]
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in rows[0])
    body = "".join("<tr>" + "".join(f"<td>{_bold(cell)}</td>" for cell in row) + "</tr>" for row in rows[2:])
    table = f"<div class='scroll'><table><tr>{head}</tr>{body}</table></div>"
    return f"<h2>{html.escape(title)}</h2>{table}"


def _bold(cell: str) -> str:
    parts = html.escape(cell).split("**")
    return "".join(f"<b>{part}</b>" if place % 2 else part for place, part in enumerate(parts))


def data_uri(png: bytes) -> str:
    """A PNG as an address that holds it."""
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


MEASURES = (
    "ll is the mean log-likelihood of the labelled rotation, in nats. <b>Haar</b>: the uniform distribution scores 0. "
    "<b>π² measure</b> (Implicit-PDF, Image2Sphere; key <code>ll_ipdf</code>): the same less ln π² = 2.289, the "
    "uniform distribution scores -2.289. Spread: mean angle between the predicted distribution and the nearest "
    "rotation equivalent to the truth. Errors: of the most probable rotation, to the nearest equivalent truth. "
    "Acc@15: share of views with an error of at most 15°. The last but one column should read 90 %."
)


def _tiles(metrics: Mapping) -> str:
    tiles = [
        (f"{metrics['ll_ipdf']:.2f}", "mean ll, π² measure"),
        (f"{metrics['ll_haar']:.2f}", "mean ll, Haar measure"),
        (f"{metrics['spread_deg']:.1f}°", "mean spread"),
        (f"{metrics['median_error_deg']:.2f}°", "median error"),
        (f"{metrics['acc15']:.1%}", "within 15°"),
        (f"{metrics['n']:,}", "views"),
    ]
    cells = "".join(f"<div class='tile'><b>{value}</b><span>{name}</span></div>" for value, name in tiles)
    return f"<div class='tiles'>{cells}</div>"


def _table(metrics: Mapping) -> str:
    rows = [(name, figures, "") for name, figures in metrics["per_category"].items()]
    if len(rows) > 1:
        rows.append(("mean of categories", metrics, " class='mean'"))
    return _rows(COLUMNS, rows)


def _error_tables(metrics: Mapping) -> str:
    rows = [("this model, to the nearest equivalent truth", metrics, "")]
    rows.append(("this model, to the labelled rotation itself", metrics["without_symmetry"], ""))
    if "baseline" in metrics:
        rows.append(("nearest training picture (baseline), to the nearest equivalent", metrics["baseline"], ""))
    note = "<p class='note'>The baseline answers with the label of the training picture whose pixels are nearest.</p>"
    return f"<h2>Errors in comparison</h2>{_rows(ERROR_COLUMNS, rows)}{note if 'baseline' in metrics else ''}"


def _rows(columns: Sequence[tuple[str, str, str]], rows: Sequence[tuple[str, Mapping, str]]) -> str:
    head = "".join(f"<th>{html.escape(heading)}</th>" for _, heading, _ in columns)
    lines = "".join(
        f"<tr{kind}><td>{html.escape(name)}</td>"
        + "".join(f"<td>{form.format(figures[key])}</td>" for key, _, form in columns)
        + "</tr>"
        for name, figures, kind in rows
    )
    return f"<div class='scroll'><table><tr><th></th>{head}</tr>{lines}</table></div>"


def picture_section(picture: Picture) -> str:
    """A heading and a picture."""
    note = f"<p class='note'>{picture.note}</p>" if picture.note else ""
    title = html.escape(picture.title)
    return f"<h2>{title}</h2>{note}<img alt='{title}' src='{data_uri(picture.png)}'>"


def details_section(details: Mapping[str, str]) -> str:
    """A heading and a table of names and values."""
    rows = "".join(f"<tr><td>{html.escape(k)}</td><td>{html.escape(str(v))}</td></tr>" for k, v in details.items())
    return f"<h2>Details</h2><table>{rows}</table>"
