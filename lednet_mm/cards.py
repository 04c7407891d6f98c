"""The networks' cards: the name and origin of each network, and the code to which it is proven equal.

A card is in its network's file, as ``CARD = Card(...)``, or as ``CARDS = [Card(...), ...]`` for a family. It
is read without importing the file and therefore without PyTorch, because its values are literals, or
constants of that file or of another file of :mod:`lednet_mm.networks`.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from lednet_mm.errors import InputError, describe_error

NETWORKS = Path(__file__).with_name("networks")


@dataclass(frozen=True)
class Vector:
    """The network with which a reference vector was made: the one in the config, or another version of it.

    If only the weights of a version were published, it has an entry and a name table but no vector file, and
    is not proven.

    Attributes:
        changes: dotted keys of the network's config and their values in the code of the vector.
        title: the title of another version of the network; empty for the network itself, with or without
            parts that only training uses.
        repository: the repository of that code; None means the card's.
        commit: the commit of that code; None means the card's.
        deviations: where that code differs from the paper, one sentence each; None means the card's.
    """

    changes: Mapping[str, Any] = field(default_factory=dict)
    title: str = ""
    repository: str | None = None
    commit: str | None = None
    deviations: Sequence[str] | None = None


@dataclass(frozen=True)
class Card:
    """The facts about a network that are not in its code.

    Attributes:
        name: the network's name in commands and records, and the name of its file in
            ``configs/_base_/networks``.
        title: the network's name in its paper, with an addition that distinguishes this version from others.
        paper: the publication that describes it (arXiv number, or venue and year).
        repository: the repository whose code this project follows.
        commit: the commit of that code, as in the reference vector; None if nothing is proven.
        deviations: differences between that code and the paper, one sentence each; the defaults follow the
            code.
        vectors: the reference vectors of the network and of its other versions, by name. The network itself
            is proven if one of them has no title.
        published: the names of its rows in ``lednet_mm/reports/published.csv``.
        unused: the names of trainable parameters on which no loss depends, where ``*`` stands for any text.
            All others get a gradient in every training step.
        from_mmsegmentation: whether the network is MMSegmentation's own.
        authors_forms: for MMSegmentation's form of a network that it has otherwise than the authors, the
            names of the networks in the authors' form; the first is the same size. The card's deviations say
            what is different.

    Raises:
        ValueError: a field has the wrong type, or two vectors are of the network itself.
    """

    name: str
    title: str
    paper: str
    repository: str
    commit: str | None = None
    deviations: Sequence[str] = ()
    vectors: Mapping[str, Vector] = field(default_factory=dict)
    published: Sequence[str] = ()
    unused: Sequence[str] = ()
    from_mmsegmentation: bool = False
    authors_forms: Sequence[str] = ()

    def __post_init__(self) -> None:
        for name in ("name", "title", "paper", "repository"):
            if not isinstance(value := getattr(self, name), str) or not value:
                raise ValueError(f"{name} is a text, not {value!r}")
        if not isinstance(self.commit, str | None):
            raise ValueError(f"commit is a text or None, not {self.commit!r}")
        if not isinstance(self.from_mmsegmentation, bool):
            raise ValueError(f"from_mmsegmentation is True or False, not {self.from_mmsegmentation!r}")
        if self.authors_forms and not (self.from_mmsegmentation and self.deviations):
            raise ValueError("authors_forms needs from_mmsegmentation and the deviations from these forms")
        for name in ("deviations", "published", "unused", "authors_forms"):
            value = getattr(self, name)
            if not isinstance(value, list | tuple) or not all(isinstance(text, str) for text in value):
                raise ValueError(f"{name} is a list of texts, not {value!r}")
        if not isinstance(self.vectors, dict) or not all(
            isinstance(v, Vector) for v in self.vectors.values()
        ):
            raise ValueError(f"vectors is a dict of Vector(...), not {self.vectors!r}")
        if len(own := [name for name, vector in self.vectors.items() if not vector.title]) > 1:
            raise ValueError(f"{' and '.join(own)} are of the network itself: give all but one a title")

    @property
    def vector(self) -> str | None:
        """The name of the vector that proves the network itself; None if there is none."""
        return next((name for name, vector in self.vectors.items() if not vector.title), None)

    def version(self, vector: str) -> Card:
        """Return the card of a vector's version, which may have a title, code and deviations of its own."""
        stated = self.vectors[vector]
        return replace(
            self,
            title=stated.title or self.title,
            repository=stated.repository or self.repository,
            commit=stated.commit or self.commit,
            deviations=self.deviations if stated.deviations is None else stated.deviations,
        )


@cache
def network_cards(folder: Path = NETWORKS) -> Mapping[str, Card]:
    """Return the cards of all networks by name, read from their files without importing these.

    Args:
        folder: folder of the networks' files.

    Raises:
        InputError: a file or a card in it is damaged, or a network or a vector has two cards.
    """
    cards: dict[str, Card] = {}
    owners: dict[str, str] = {}
    for path in sorted(folder.glob("*.py")):
        for card in _cards_in(path):
            if card.name in cards:
                raise InputError(
                    f"{path}: another card is of {card.name!r} too: give one of them another name"
                )
            cards[card.name] = card
            for vector in card.vectors:
                if vector in owners:
                    raise InputError(
                        f"{path}: the vector {vector!r} of {card.name} is {owners[vector]}'s: "
                        "it belongs on one card"
                    )
                owners[vector] = card.name
    return cards


def card_of_vector(name: str) -> Card:
    """Return the card of the network that a reference vector proves.

    Args:
        name: name of the vector, for example ``lednet_official``.

    Raises:
        InputError: no network has such a vector.
    """
    owners = {vector: card for card in network_cards().values() for vector in card.vectors}
    if name not in owners:
        raise InputError(f"unknown network {name!r}; known are: {', '.join(sorted(owners))}")
    return owners[name]


def _cards_in(path: Path) -> list[Card]:
    found = constants_in(path, ("CARD", "CARDS"))
    one, several = [found["CARD"]] if "CARD" in found else [], found.get("CARDS", [])
    if not isinstance(several, list) or not all(isinstance(card, Card) for card in one + several):
        raise InputError(f"{path}: cannot be read: CARD is Card(...), and CARDS is [Card(...), ...]")
    return one + several


def constants_in(path: Path, names: Sequence[str]) -> dict[str, Any]:
    """Return the constants that a network's file has, by name; nothing is executed.

    Args:
        path: file of the network.
        names: names of the constants whose values are needed; the values of the others are None.

    Raises:
        InputError: the file is not Python, or one of the values is not a literal, a constant or a card.
    """
    try:
        file = _File.read(path)
        return {name: file.constant(name) if name in names else None for name in file.constants}
    except (OSError, SyntaxError, ValueError, TypeError, LookupError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read: {describe_error(error)}") from error


@dataclass(frozen=True)
class _File:
    """The constants of a source file, before they are evaluated.

    Attributes:
        constants: expressions by the names of the constants.
        imported: for each imported name, the file of the same folder from which it is imported, and its name
            there.
    """

    constants: Mapping[str, ast.expr]
    imported: Mapping[str, tuple[Path, str]]

    @classmethod
    def read(cls, path: Path) -> _File:
        """Read a file; it is read again only if it has been written since."""
        return cls._parse(path.absolute(), path.stat().st_mtime_ns)

    @classmethod
    @cache
    def _parse(cls, path: Path, changed: int) -> _File:
        constants, imported = {}, {}
        for statement in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(statement, ast.Assign):
                names = [target.id for target in statement.targets if isinstance(target, ast.Name)]
                constants.update(dict.fromkeys(names, statement.value))
            elif isinstance(statement, ast.ImportFrom):
                package, _, module = (statement.module or "").rpartition(".")
                if package == "lednet_mm.networks":
                    source = path.with_name(f"{module}.py")
                    imported.update(
                        {name.asname or name.name: (source, name.name) for name in statement.names}
                    )
        return cls(constants, imported)

    def constant(self, name: str) -> Any:
        """Return the value of a constant, which this file may import from another network's file."""
        if name in self.imported:
            path, there = self.imported[name]
            return _File.read(path).constant(there)
        if name not in self.constants:
            raise LookupError(f"{name} is not a constant")
        return self.value(self.constants[name])

    def value(self, node: ast.expr) -> Any:
        """Return the value of an expression of literals, constants, ``dict(...)``, cards and vectors."""
        match node:
            case ast.Name(id=name):
                return self.constant(name)
            case ast.List(elts=parts):
                return [self.value(part) for part in parts]
            case ast.Tuple(elts=parts):
                return tuple(self.value(part) for part in parts)
            case ast.Dict(keys=keys, values=values):
                known = [self.value(key) for key in keys if key]
                return dict(zip(known, map(self.value, values), strict=True))
            case ast.Call(func=ast.Name(id=("Card" | "Vector" | "dict") as kind), args=[], keywords=keywords):
                fields = {str(keyword.arg): self.value(keyword.value) for keyword in keywords}
                return {"Card": Card, "Vector": Vector, "dict": dict}[kind](**fields)
        try:
            return ast.literal_eval(node)
        except ValueError:
            raise ValueError(
                f"line {node.lineno}: {ast.unparse(node)[:60]} is not a literal, constant, "
                "dict(key=...), Card(field=...) or Vector(field=...)"
            ) from None
