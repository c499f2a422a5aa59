"""One page that shows a sentence's maps: self-contained, offline, its text never markup.

What the model and the user wrote travels as JSON and is put on the page as text. The page's policy allows its
own style and script, by their digests, and nothing else: no network, no other script.
"""

import base64
import hashlib
import html
import json
from importlib.resources import files
from typing import Any

from litetransformer.inspect.maps import Maps

_WEIGHTS = 10_000
"""Weights are whole numbers of ten-thousandths on the page: a third of the bytes, the same picture."""


def attention_page(maps: Maps, *, model: str, source: str, target: str | None) -> str:
    """The page: maps by part, layer and head, their means, weights and tokens, and each head's statistics."""
    folder = files(__package__)
    style, script = (folder.joinpath(name).read_text("utf-8") for name in ("page.css", "page.js"))
    policy = (
        f"default-src 'none'; style-src {_digest(style)}; script-src {_digest(script)}; "
        "base-uri 'none'; form-action 'none'"
    )
    facts = {"model": model, "source": source, "target": target, "parts": _parts(maps)}
    return (
        folder.joinpath("page.html")
        .read_text("utf-8")
        .format(
            policy=html.escape(policy),
            title=html.escape(model),
            style=style,
            script=script,
            data=json_in_html(facts),
        )
    )


def json_in_html(value: Any) -> str:
    """`value` as JSON that a ``<script>`` element can hold: no character in it can end the element."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # Invalid in UTF-8, and line ends in some scripts.
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _parts(maps: Maps) -> list[dict[str, Any]]:
    found = []
    for part, layers in maps.parts().items():
        rows, columns = maps.axes(layers[0].place)
        found.append(
            {
                "name": part,
                "kind": layers[0].place.kind,
                "rows": rows,
                "columns": columns,
                "layers": [
                    {
                        "label": one.place.label,
                        "taps": one.place.taps,
                        "heads": [
                            {
                                "head": head,
                                "statistics": statistics,
                                "cells": (matrix * _WEIGHTS).round().int().flatten().tolist(),
                            }
                            for head, statistics, matrix in zip(
                                one.heads, one.statistics(), one.matrix, strict=True
                            )
                        ],
                    }
                    for one in layers
                ],
            }
        )
    return found


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
