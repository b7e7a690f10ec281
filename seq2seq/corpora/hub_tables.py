"""What a dataset card and the names of files say of tables without types, for `data=hub`."""

import glob
from pathlib import Path
from typing import Any

from seq2seq.corpora.delimited import Form
from seq2seq.errors import UserError, did_you_mean

TABLES = {".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet", ".arrow", ".txt"}
# Settings of a dataset card that only say how to guess, or how fast; text needs no such thing
IDLE = {
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
    """How a file of delimited columns is read, and its columns by name or number.

    Args:
        config: the settings that `datasets` has for CSV, those of the dataset card included.
        name: what the file is called in the dataset.
        columns: the names that each side may have.
    """
    delimiter = delimiter_of_file(config, name)
    quotes = config.quoting == 0 and delimiter != "\t"
    if config.names:
        header = config.header not in (None, "infer")
        columns = numbers(config.names, columns[0]), numbers(config.names, columns[1])
        return Form(delimiter, quotes, header), columns
    return Form(delimiter, quotes, header=config.header is not None), columns


def delimiter_of_file(config: Any, name: str) -> str:
    """The delimiter of the dataset card; else a tab in .tsv files, and a comma in others."""
    names = [str(file) for files in config.data_files.values() for file in files]
    inferred = any(".tsv" in Path(file).suffixes for file in names)
    if config.sep == "," or (config.sep == "\t" and inferred):
        return "\t" if ".tsv" in Path(name).suffixes else ","
    return str(config.sep)


def numbers(names: list[str], choices: list[str]) -> list[str]:
    """The number of a column, where a dataset card names the columns of files without header.

    Raises:
        UserError: there is no such column.
    """
    found = [str(number) for number, name in enumerate(names) if name in choices]
    if not found:
        raise UserError(f"there is no column {choices[-1]!r}; {did_you_mean(choices[-1], names)}")
    return found


def instead_of_file(path: Path) -> str:
    """A sentence that says how to read a file that was given in place of a folder."""
    kinds = {".csv": "csv", ".tsv": "tsv", ".json": "jsonl", ".jsonl": "jsonl"}
    kind = next((kinds[suffix] for suffix in path.suffixes if suffix in kinds), None)
    how = (
        f"data={kind} data.root={path.parent} data.train={path.name}, with files of their own for "
        "data.validation and data.tests, reads it"
        if kind
        else "put the files of a dataset into a folder of their own, or see data/README.md for "
        "what reads such a file"
    )
    return f"data.path={path} is a file, but data=hub reads a folder or a dataset of the hub: {how}"


def refuse_settings(name: str, config: Any) -> None:
    """Refuse what a dataset card asks of the readers of `datasets` and ours do not do.

    Raises:
        UserError: there is such a setting; the sentence names it.
    """
    usual = type(config)()
    for key, value in vars(config).items():
        same = value == getattr(usual, key, None)
        if key == "encoding" and str(value).lower().replace("-", "") in ("utf8", "none"):
            continue
        if key == "quoting" and value not in (0, 3):
            same = False
        elif key in IDLE or key.startswith("_"):
            continue
        if not same:
            raise UserError(
                f"the dataset card of {name} sets {key} to {value!r}, which is not supported here: "
                "write its files as plain .tsv or .jsonl"
            )


def refuse_twins(files: dict[Any, Any]) -> None:
    """Refuse a table that is there in two formats, of which both or one by chance would be read.

    Raises:
        UserError: there are such files; the sentence names both.
    """
    for path in (Path(str(file)) for named in files.values() for file in named):
        stem = path.name.partition(".")[0]
        others = path.parent.glob(f"{glob.escape(stem)}.*") if path.is_file() else ()
        for other in sorted(others):
            if other != path and TABLES & {*other.suffixes}:
                raise UserError(
                    f"there are both {path} and {other.name}: remove one of them, or keep what is "
                    "no part of the dataset in another folder"
                )
