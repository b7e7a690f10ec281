"""Interpret dataset cards and file names for untyped tables, for `data=hub`."""

import glob
from pathlib import Path
from typing import Any

from seq2seq.corpora.delimited import Form
from seq2seq.errors import UserError, did_you_mean

TABLES = {".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet", ".arrow", ".txt"}
# Settings of a dataset card that affect only type inference or speed, not the text
IGNORED = {
    *("name", "version", "data_dir", "data_files", "description", "features", "chunksize"),
    *("sep", "delimiter", "names", "column_names", "header", "quoting", "engine", "memory_map"),
    *("true_values", "false_values", "na_values", "keep_default_na", "na_filter", "verbose"),
    *("float_precision", "date_format", "low_memory", "thousands", "decimal", "converters"),
    *("skip_blank_lines", "on_bad_lines", "error_bad_lines", "warn_bad_lines", "mangle_dupe_cols"),
    *("use_threads", "block_size", "newlines_in_values", "on_mixed_types", "parse_agent_traces"),
    *("doublequote", "encoding_errors"),
}


def form_of(
    config: Any, name: str, columns: tuple[list[str], list[str]]
) -> tuple[Form, tuple[list[str], list[str]]]:
    """Return the dialect of a delimited file, and its columns by name or number.

    Args:
        config: the CSV settings of `datasets`, including those of the dataset card.
        name: name of the file in the dataset.
        columns: possible names of the column of each side.
    """
    delimiter = delimiter_of_file(config, name)
    quotes = config.quoting == 0 and delimiter != "\t"
    if config.names:
        header = config.header not in (None, "infer")
        columns = numbers(config.names, columns[0]), numbers(config.names, columns[1])
        return Form(delimiter, quotes, header), columns
    return Form(delimiter, quotes, header=config.header is not None), columns


def delimiter_of_file(config: Any, name: str) -> str:
    """Return the delimiter of the dataset card, or else tab for .tsv files and comma for others."""
    names = [str(file) for files in config.data_files.values() for file in files]
    inferred = any(".tsv" in Path(file).suffixes for file in names)
    if config.sep == "," or (config.sep == "\t" and inferred):
        return "\t" if ".tsv" in Path(name).suffixes else ","
    return str(config.sep)


def numbers(names: list[str], choices: list[str]) -> list[str]:
    """Return the number of a column if a dataset card names the columns of files without header.

    Raises:
        UserError: the column does not exist.
    """
    found = [str(number) for number, name in enumerate(names) if name in choices]
    if not found:
        raise UserError(f"there is no column {choices[-1]!r}; {did_you_mean(choices[-1], names)}")
    return found


def instead_of_file(path: Path) -> str:
    """Return a message that explains how to read a file given in place of a folder."""
    kinds = {".csv": "csv", ".tsv": "tsv", ".json": "jsonl", ".jsonl": "jsonl"}
    kind = next((kinds[suffix] for suffix in path.suffixes if suffix in kinds), None)
    how = (
        f"use data={kind} data.file={path} to divide it into all splits, or data={kind} "
        f"data.root={path.parent} data.train={path.name} with separate files for data.validation "
        "and data.tests"
        if kind
        else "put the files of the dataset into a separate folder (docs/corpora.md has the "
        "supported formats)"
    )
    return f"data.path={path} is a file, but data=hub reads a folder or a dataset of the hub: {how}"


def refuse_settings(name: str, config: Any) -> None:
    """Reject settings of a dataset card that the readers of this package do not support.

    Raises:
        UserError: there is such a setting; the message names it.
    """
    usual = type(config)()
    for key, value in vars(config).items():
        same = value == getattr(usual, key, None)
        if key == "encoding" and str(value).lower().replace("-", "") in ("utf8", "none"):
            continue
        if key == "quoting" and value not in (0, 3):
            same = False
        elif key in IGNORED or key.startswith("_"):
            continue
        if not same:
            raise UserError(
                f"the dataset card of {name} sets {key} to {value!r}, which is not supported here: "
                "write its files as plain .tsv or .jsonl"
            )


def refuse_twins(files: dict[Any, Any]) -> None:
    """Reject a table that exists in two formats: `datasets` would read both or an arbitrary one.

    Raises:
        UserError: there are such files; the message names both.
    """
    for path in (Path(str(file)) for named in files.values() for file in named):
        stem = path.name.partition(".")[0]
        others = path.parent.glob(f"{glob.escape(stem)}.*") if path.is_file() else ()
        for other in sorted(others):
            if other != path and TABLES & {*other.suffixes}:
                raise UserError(
                    f"there are both {path} and {other.name}: remove one of them, or move files "
                    "that are not part of the dataset to another folder"
                )
