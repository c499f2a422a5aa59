"""``lite table``: the paper's tables beside what is computed and measured here."""

from typing import Annotated

from cyclopts import Parameter

from litetransformer.cli.options import OUTPUT, Json
from litetransformer.cli.output import json_line, write_table, write_text
from litetransformer.core.errors import InputError


def table(
    name: Annotated[str | None, Parameter(help="the table; without it, the names of all of them")] = None,
    /,
    *,
    markdown: Annotated[bool, Parameter(group=OUTPUT, help="print Markdown")] = False,
    json: Json = False,
) -> None:
    """Show a table: published, computed and measured here.

    For example:

      lite table
      lite table iwslt14
      lite table automl --json

    Prints a row for each model. A column "paper" repeats what the paper states,
    "computed" or "derived" what its own rules give here, and "measured here" what
    trainings reached, mean and standard deviation over seeds, from the project's
    docs/results/; what was not trained says "not run".
    """
    from litetransformer import tables

    if json and markdown:
        raise InputError("contradicts --json", path="--markdown", remedy="give one of them")
    if name is None and markdown:
        raise InputError("changes nothing without a table", path="--markdown", remedy="name one")
    if name is None:
        write_text(json_line(tables.names()) if json else "\n".join(tables.names()))
        return
    found = tables.table(name)
    if json:
        write_text(json_line(found.to_json()))
    elif markdown:
        write_text(found.markdown())
    else:
        write_text(f"{found.title}\n")
        write_table(found.columns, found.rows)
        for note in found.notes:
            write_text(f"\n{note}")
