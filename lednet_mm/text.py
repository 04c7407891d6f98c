"""Escape text that comes from elsewhere, with one function for each medium in which it is shown.

Names of networks and datasets, titles, paths and reasons of failures come from configs, records and other
people's files. In each medium some characters are commands: square brackets in rich, ``$`` in Matplotlib,
``<`` in HTML, ``|`` in a Markdown table, ``=`` at the start of a spreadsheet's cell. HTML needs no function
here, because Jinja escapes what it inserts, and the page's script only creates text nodes.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Collection
from typing import Any

NAME_LENGTH = 100
"""The largest number of characters in a name that becomes part of a path."""
NAME_RULE = (
    f"a name has 1 to {NAME_LENGTH} printable characters, no slash, and no dot or space at its beginning"
)
"""The rule that :func:`is_name` checks, in words."""

DEFAULT = "default"
"""The variant of a network that changes nothing."""

_LATEX = str.maketrans(
    {
        **{c: f"\\{c}" for c in "&%$#_{}"},
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "\\": r"\textbackslash{}",
        "±": r"$\pm$",
        "−": "--",
        "×": r"$\times$",
    }
)
_MARKDOWN = re.compile(r"([\\`*<>\[\]|])")


def one_line(value: Any) -> str:
    r"""Return text as one printable line.

    Line breaks become spaces. Control characters, such as those that begin a terminal's escape sequences, and
    characters that change the direction of writing are shown as escapes like ``\x1b`` or ``\u202e``.
    """
    text = str(value)
    if text.isprintable():
        return text
    shown = []
    for character in text:
        if character in "\n\r\t\v\f\x85\u2028\u2029":
            shown.append(" ")
        elif unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn"):
            shown.append(character.encode("unicode_escape").decode())
        else:
            shown.append(character)
    return "".join(shown)


def for_markup(value: Any) -> str:
    """Escape text for a place where rich interprets markup, such as a progress bar's description."""
    from rich.markup import escape

    return escape(one_line(value))


def for_markdown(value: Any) -> str:
    """Escape text for a Markdown table or paragraph; underscores within words need no escape."""
    return _MARKDOWN.sub(r"\\\1", one_line(value))


def for_latex(value: Any) -> str:
    """Escape text for LaTeX outside of mathematics."""
    return one_line(value).translate(_LATEX)


def for_csv(value: Any) -> Any:
    """Return a value for a cell of a CSV file; text that a spreadsheet would compute gets a leading ``'``."""
    if not isinstance(value, str):
        return value
    text = one_line(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text


def for_plot(value: Any) -> str:
    r"""Escape text for Matplotlib, which would typeset text between two ``$`` as mathematics."""
    return one_line(value).replace("$", r"\$")


def fps_text(fps: float) -> str:
    """Write frames per second with one decimal place, or with two digits if an image takes over a second."""
    return f"{fps:.1f}" if fps >= 1 else f"{fps:.2g}"


def counted(number: int | str, noun: str) -> str:
    """Write a number of things: ``1 seed``, ``3 seeds``."""
    return f"{number} {noun}{'' if str(number) == '1' else 's'}"


def shortened(texts: Collection[str], most: int, separator: str = ", ") -> str:
    """Join the first of some texts; ``...`` stands for the others if there are more.

    Args:
        texts: the texts.
        most: number of texts that are shown.
        separator: what stands between two texts.
    """
    return separator.join(list(texts)[:most]) + (f"{separator}..." if len(texts) > most else "")


def variant_name(name: Any) -> Any:
    """Return a variant's name as it is today; records of earlier versions call the default "baseline"."""
    return DEFAULT if name == "baseline" else name


def is_name(value: str) -> bool:
    """Return whether text can be a name, which becomes part of the path of a folder or file.

    A name has 1 to ``NAME_LENGTH`` printable characters without slashes, and does not begin with a dot or
    space.
    """
    return (
        0 < len(value) <= NAME_LENGTH
        and value.isprintable()
        and not value.startswith((".", " "))
        and not {"/", "\\"} & set(value)
    )


def for_file_name(value: Any) -> str:
    """Return text as the stem of a file name: letters, digits, ``.``, ``_``, ``+`` and ``-``.

    Different texts give different stems: where characters were replaced or cut off, eight digits of the
    text's sha256 follow.
    """
    text = str(value)
    stem = re.sub(r"[^\w.+-]+", "-", text).strip(".-").encode()[:NAME_LENGTH].decode(errors="ignore")
    if stem == text.replace(" ", "-"):
        return stem
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:8]
    return f"{stem}-{digest}" if stem else digest
