"""JSON Lines, or one JSON array of objects."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Unpack

from seq2seq.corpora.base import Pair
from seq2seq.corpora.delimited import same_for_both
from seq2seq.corpora.lines import Report
from seq2seq.corpora.objects import fields_of, object_pairs
from seq2seq.corpora.splits import Keys
from seq2seq.corpora.tables import Table


class Jsonl(Table):
    """One JSON object per line, or an array of objects; line ends inside a text become spaces.

    The default field of a side is `translation.LANGUAGE` or LANGUAGE. A null is an empty text, and
    blank lines are skipped.

    Args:
        source_field: field of the source side, dotted if nested; null selects it by language
        target_field: field of the target side, dotted if nested; null selects it by language
    """

    ending = ".jsonl"

    def __init__(
        self,
        *,
        source_field: str | None,
        target_field: str | None,
        **keys: Unpack[Keys],
    ) -> None:
        super().__init__(**keys)
        self.fields = (
            fields_of(source_field, keys["source"]),
            fields_of(target_field, keys["target"]),
        )
        if self.fields[0] == self.fields[1]:
            raise same_for_both(
                f"the field {self.fields[0][-1]!r}", ("data.source_field", "data.target_field")
            )

    @classmethod
    def written_out(cls, data: dict[str, Any]) -> dict[str, Any]:
        """Likewise with the usual fields."""
        names = {f"{side}_field": f"translation.{data.get(side)}" for side in ("source", "target")}
        own = {key: name for key, name in names.items() if data.get(key) is None}
        return super().written_out(data | own)

    def numbered(self, path: Path, report: Report) -> Iterator[tuple[int, Pair]]:
        """Stream the two fields of every object."""
        return object_pairs(path, self.fields, report)

    def reads(self, split: str) -> tuple[Path | str, ...]:
        """Return the file and the fields that are read."""
        return self.path(split), repr(self.fields)
