"""The report of a run: one self-contained HTML file with its tables, claims, pictures and configuration."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2
import yaml

from benchmarks.harness.table import Claim, Table
from representations.files import write_text

TEMPLATE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{{ title }}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 80rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a; }
table { border-collapse: collapse; margin: 1rem 0; display: block; overflow-x: auto; }
caption { text-align: left; font-weight: 600; padding: .3rem 0; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid #ddd; text-align: right; white-space: nowrap; }
th { white-space: normal; vertical-align: bottom; } td, th { font-variant-numeric: tabular-nums; }
th:first-child, td:first-child { text-align: left; }
.shown { color: #186a3b; } .missing { color: #a93226; font-weight: 600; }
figure { margin: 1.5rem 0; } img { max-width: 100%; image-rendering: pixelated; } figcaption { color: #555; }
pre { background: #f5f5f5; padding: 1rem; overflow-x: auto; }
</style></head><body>
<h1>{{ title }}</h1>
{% for line in introduction %}<p>{{ line }}</p>{% endfor %}
{% for table in tables %}<table><caption>{{ table.title }}</caption>
<tr>{% for column in table.columns %}<th>{{ column }}</th>{% endfor %}</tr>
{% for row in table.rows %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}</table>{% endfor %}
{% if claims %}<h2>Claims</h2><ul>{% for claim in claims %}
<li><span class="{{ 'shown' if claim.shown else 'missing' }}">{{ 'shown' if claim.shown else 'not shown' }}</span>:
{{ claim.text }} ({{ claim.evidence }})</li>{% endfor %}</ul>{% endif %}
{% for caption, source in figures %}<figure>
<img src="{{ source }}" alt="{{ caption }}"><figcaption>{{ caption }}</figcaption></figure>
{% endfor %}
<h2>Configuration</h2><pre>{{ config }}</pre>
</body></html>
"""


def write_report(
    path: Path,
    title: str,
    introduction: Sequence[str],
    tables: Sequence[Table],
    claims: Sequence[Claim],
    figures: Mapping[str, Path],
    config: object,
) -> None:
    """Write `report.html`; `figures` maps captions to PNG or GIF files, which are embedded."""
    embedded = []
    for caption, file in figures.items():
        data = base64.b64encode(file.read_bytes()).decode()
        embedded.append((caption, f"data:image/{file.suffix[1:]};base64,{data}"))
    text = (
        jinja2.Environment(autoescape=True)
        .from_string(TEMPLATE)
        .render(
            title=title,
            introduction=introduction,
            tables=tables,
            claims=claims,
            figures=embedded,
            config=yaml.safe_dump(config, sort_keys=False),
        )
    )
    write_text(path, text)
