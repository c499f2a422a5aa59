"""``lite attend``: how a model mixes the positions of a sentence, as a picture, a page or numbers."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Group, Parameter
from cyclopts.validators import Number

from litetransformer.cli.options import OUTPUT, Device, Json, Threads, device_for, use_threads
from litetransformer.cli.output import json_line, write_text
from litetransformer.core.errors import InputError

if TYPE_CHECKING:
    import torch

    from litetransformer.data.tokenizer import Tokenizer
    from litetransformer.inspect.maps import Maps

CHOICE = Group("What is shown", sort_key=1)
FORMATS = (".png", ".svg", ".html")
Count = Annotated[int | None, Parameter(group=CHOICE, validator=Number(gte=1))]


def attend(
    sentence: str,
    /,
    *,
    model: Path,
    target: Annotated[str | None, Parameter(help="its translation [default: the model's own]")] = None,
    out: Annotated[
        Path | None, Parameter(group=OUTPUT, help="file to write; it ends in .png, .svg or .html")
    ] = None,
    part: Annotated[
        str | None,
        Parameter(group=CHOICE, help="one part: 'encoder attention', 'decoder convolution', cross-attention"),
    ] = None,
    layer: Annotated[Count, Parameter(help="one layer, counted from 1")] = None,
    head: Annotated[Count, Parameter(help="one head, counted from 1")] = None,
    json: Json = False,
    device: Device = "auto",
    threads: Threads = None,
) -> None:
    """Draw what a model attends to in a sentence.

    For each layer and head: attention, the convolution's band matrix, and the
    alignment of the translation with the sentence. Beside them, as in the paper's
    figure, the mean over heads and layers. A row shows where a position takes
    from. --part, --layer and --head choose; one head alone is drawn large.

      lite attend --model runs/160 'Guten Morgen.' --out morning.html
      lite attend --model runs/160 'Guten Morgen.' --target 'Good morning.'
          --part cross-attention --layer 4 --out alignment.svg

    .png and .svg need the extra `plot`; .html is one page that any browser shows,
    also without a network. Prints nothing but, with --json, an object with
    `source`, `target`, `tokens` and `mixings`: for each layer its heads with
    `matrix` and `statistics` (entropy in bits, mean distance, mass within 1, 3
    and 7 positions).
    """
    if out is None and not json:
        raise InputError("nothing to do", path="--out", remedy="name a file, or print numbers with --json")
    if out is not None and out.is_dir():
        raise InputError("is a folder", path=out, remedy="name a file")
    if out is not None:
        from litetransformer.inspect.figures import check_format

        check_format(out, FORMATS)
    for text, name in ((sentence, "SENTENCE"), (target, "--target")):
        _check_text(text, name)

    use_threads(threads)
    written, maps = maps_of(model, sentence, target, device_for(device))
    maps = maps.keep(part=part, layer=layer, head=head)
    if out is not None:
        _draw(out, maps, model=model.resolve().name, source=sentence, target=written)
    if json:
        write_text(json_line({"source": sentence, "target": written, **maps.to_json()}))


def maps_of(
    folder: Path, sentence: str, target: str | None, device: "torch.device"
) -> tuple[str | None, "Maps"]:
    """The target, the model's own unless given, and the maps of the sentence and it.

    A language model has no target: it reads the sentence itself.
    """
    from litetransformer.core.tokens import EOS
    from litetransformer.inspect.maps import Maps
    from litetransformer.inspect.mixing import sentence_mixings, text_mixings
    from litetransformer.models.seq2seq import Seq2Seq
    from litetransformer.tasks.load import load
    from litetransformer.tasks.text_model import TextModel

    writer = load(folder, device=device)
    if isinstance(writer, TextModel):
        if target is not None:
            raise InputError("a language model writes no target", path="--target", remedy="leave it out")
        tokens = _tokens(writer.tokenizer, sentence, "SENTENCE")
        read = [writer.tokenizer.piece(token) for token in (EOS, *tokens)]
        return None, Maps.of(text_mixings(writer.model, tokens), source=(), read=read, written=())
    assert isinstance(writer.model, Seq2Seq)
    source = _tokens(writer.source, sentence, "SENTENCE")
    if target is None:
        best = writer.outputs([sentence])[0][0]
        target, tokens = best.text, list(best.tokens)
    else:
        tokens = _tokens(writer.target, target, "--target")
    read = [writer.target.piece(token) for token in (EOS, *tokens)]
    maps = Maps.of(
        sentence_mixings(writer.model, source, tokens),
        source=[writer.source.piece(token) for token in (*source, EOS)],
        read=read,
        written=[*read[1:], read[0]],
    )
    return target, maps


def _draw(out: Path, maps: "Maps", *, model: str, source: str, target: str | None) -> None:
    if out.suffix.lower() == ".html":
        from litetransformer.core.files import write_atomically
        from litetransformer.inspect.page import attention_page

        write_atomically(out, attention_page(maps, model=model, source=source, target=target).encode())
        return
    from litetransformer.inspect.figures import maps_figure, save

    title = source if target is None else f"{source}  →  {target}"
    save(out, lambda: maps_figure(maps, title=title))


def _check_text(text: str | None, name: str) -> None:
    if text is None:
        return
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError("invalid UTF-8", path=name, remedy="check the terminal's encoding") from error
    if not text.strip():
        raise InputError("is empty", path=name, remedy="give a sentence to look at")
    if "\n" in text:
        raise InputError("holds a line break", path=name, remedy="give one sentence")


def _tokens(tokenizer: "Tokenizer", text: str, name: str) -> list[int]:
    from litetransformer.tasks.text_to_text import LONGEST_PIECE

    tokens = tokenizer.encode(text)
    if len(tokens) > LONGEST_PIECE:
        what = f"has {len(tokens)} tokens, and at most {LONGEST_PIECE} are drawn"
        raise InputError(what, path=name, remedy="give a shorter text")
    return tokens
