"""Write all forms of a comparison into a folder."""

from pathlib import Path

from seq2seq.compare import html
from seq2seq.compare.comparison import Comparison
from seq2seq.compare.report import csv_files
from seq2seq.compare.report.markdown import markdown
from seq2seq.compare.report.page import page
from seq2seq.compare.report.pictures import draw
from seq2seq.compare.report.record import record
from seq2seq.compare.report.tex import tex
from seq2seq.errors import UserError
from seq2seq.system.files import replacing, write_json


def write(comparison: Comparison, out: Path) -> list[Path]:
    """Write report.html, report.md, report.json, table.tex, tables/*.csv and the figures.

    Returns:
        Paths of the written files; for the CSV tables, the path of their folder.

    Raises:
        UserError: `out` is a file, or a run's attention file is damaged or of another test set.
    """
    if out.exists() and not out.is_dir():
        raise UserError(f"cannot write the report to {str(out)!r}: it is a file, not a folder")
    # The page is first: it reads the stored maps, and if they are refused, nothing is written.
    html.write(page(comparison), out / "report.html")
    drawn = draw(comparison, out)
    for name, text in {
        "report.md": markdown(comparison, drawn),
        "table.tex": tex(comparison),
    }.items():
        with replacing(out / name) as file:
            file.write(text)
    write_json(out / "report.json", record(comparison))
    written = ("report.html", "report.md", "report.json", "table.tex")
    return [*(out / name for name in written), csv_files.write(comparison, out / "tables"), *drawn]
