"""Pages in HTML: one file each, with style, charts, sound and pictures inside, so that it needs no network."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"
EXPOSE = "window.vegaEmbed = vegaEmbed;"  # the one function of Vega that pages call


def html_page(template: str, **values: object) -> str:
    """Return the page of `templates/TEMPLATE.html.j2`, which extends `base.html.j2`, with these values.

    Every text is escaped. In templates, `{{ specification | chart("what it shows") }}` draws a chart of Vega-Lite and
    `{{ data | uri("image/webp") }}` is the address of bytes inside the page.
    """
    return _environment().get_template(f"{template}.html.j2").render(values)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # only a page needs it

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"chart": _chart, "uri": _uri, "score": _score}
    environment.globals |= {
        "style": Markup((TEMPLATES / "page.css").read_text("utf-8")),  # ours
        "script": Markup((TEMPLATES / "page.js").read_text("utf-8")),  # ours
        "vega": lambda: Markup(_vega()),  # Vega's own
    }
    return environment


def _uri(data: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _score(value: float | None) -> str:
    """Return a score with four digits, a dash where there is none."""
    return "–" if value is None or value != value else f"{value:.4f}"


def _chart(specification: Mapping[str, Any], label: str) -> Markup:
    """Return the place of a chart; `page.js` draws it. `label` tells what it shows to those who do not see it."""
    # in a script nothing but "</" and "<!--" ends or changes the text
    text = json.dumps(specification, allow_nan=False).replace("<", "\\u003c")
    return Markup(  # the label is escaped by `format`, the text above
        '<div class="chart" role="img" aria-label="{}"><script type="application/json">{}</script></div>'
    ).format(label, Markup(text))


@cache
def _vega() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script of 0.9 MB.

    Bundling takes seconds, so the script is kept where Matplotlib keeps what it derives: in the user's cache folder.
    """
    from importlib.metadata import version  # with what follows: only a page with charts needs them

    from filelock import FileLock
    from matplotlib import get_cachedir

    place = Path(get_cachedir()) / f"vega-{version('vl-convert-python')}.js"
    with FileLock(f"{place}.lock"):
        if not place.is_file():
            import vl_convert

            draft = place.with_suffix(".draft")
            draft.write_text(vl_convert.javascript_bundle(EXPOSE), "utf-8")
            draft.replace(place)
    return place.read_text("utf-8")
