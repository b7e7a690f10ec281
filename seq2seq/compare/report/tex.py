"""Write a comparison as `table.tex`: one LaTeX table per test set, using booktabs."""

import re

from seq2seq.compare.comparison import Comparison, TestSet
from seq2seq.compare.quality import LOWER, NAMES
from seq2seq.compare.report.formats import count
from seq2seq.compare.report.tables import marked, title
from seq2seq.compare.systems import Spread
from seq2seq.text.characters import printable

SPECIAL = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "'": r"\textquotesingle{}",
    "`": r"\textasciigrave{}",  # ?` and !` are ligatures for inverted punctuation
    "[": "{[}",  # after \\\\, [ and * are read as its arguments
    "*": "{*}",
    "\N{EN DASH}": r"\textendash{}",
    "\N{DAGGER}": r"\textdagger{}",
    "\N{NO-BREAK SPACE}": "~",
    "\N{NARROW NO-BREAK SPACE}": r"\,",
    "\N{SOFT HYPHEN}": r"\-",
}


def tex(comparison: Comparison) -> str:
    """Return the tables of all test sets, to be included with `\\input`."""
    return "\n".join(table(comparison, test) for test in comparison.tests)


def table(comparison: Comparison, test: TestSet) -> str:
    """Return the table of one test set; a score is bold if `unbeaten` holds for it."""
    metrics = list(test.quality.signatures)
    lines = [
        "% needs \\usepackage{booktabs} and, for quotes and accents, \\usepackage[T1]{fontenc};",
        "% names in non-Latin scripts need LuaLaTeX or XeLaTeX and a font that supports them",
        "\\begin{table}",
        "  \\centering",
        f"  \\begin{{tabular}}{{@{{}}lrr{'r' * len(metrics)}@{{}}}}",
        "    \\toprule",
        f"    system & seeds & parameters & {' & '.join(NAMES[one] for one in metrics)} \\\\",
        "    \\midrule",
    ]
    for system in comparison.systems:
        cells = [
            escape(marked(system)),
            str(len(system.runs)),
            escape(count(test.costs[system.name].parameters)),
        ]
        for metric in metrics:
            cell = number(test.quality.means[system.name][metric])
            cells.append(f"\\textbf{{{cell}}}" if unbeaten(test, metric, system.name) else cell)
        lines.append(f"    {' & '.join(cells)} \\\\")
    lines += [
        "    \\bottomrule",
        "  \\end{tabular}",
        f"  \\caption{{{caption(comparison, test)}}}",
        "\\end{table}",
        "",
    ]
    return "\n".join(lines)


def caption(comparison: Comparison, test: TestSet) -> str:
    """Return the caption: test set, metric signatures and the meaning of bold."""
    metrics = " ".join(
        f"{NAMES[metric]} ({'lower' if metric in LOWER else 'higher'} is better): "
        f"\\texttt{{{escape(signature)}}}."
        for metric, signature in test.quality.signatures.items()
    )
    bold = (
        " Bold: beats another system and is beaten by none (paired approximate randomization, "
        "Holm-corrected $p < 0.05$, and every seed better than every seed of the other)."
        if len(comparison.systems) > 1
        else ""
    )
    return f"{escape(title(comparison, test))}. {metrics}{bold}"


def unbeaten(test: TestSet, metric: str, name: str) -> bool:
    """Whether a system beats another system and is beaten by none."""
    pairs = test.quality.pairs[metric]
    winners = [pair.winner for pair in pairs if name in (pair.first, pair.second) and pair.winner]
    return bool(winners) and all(winner == name for winner in winners)


def number(spread: Spread) -> str:
    """Format a mean, with its standard deviation if there is one."""
    if spread.deviation is None:
        return f"{spread.mean:.1f}"
    return f"{spread.mean:.1f} {{\\scriptsize$\\pm$ {spread.deviation:.1f}}}"


def escape(string: str) -> str:
    """Escape text so that TeX prints it literally, without ligatures such as -- or ,,."""
    special = "".join(map(re.escape, SPECIAL))
    return re.sub(
        rf"([-,])(?=\1)|[{special}]",
        lambda match: match[0] + "{}" if match[1] else SPECIAL[match[0]],
        printable(string),
    )
