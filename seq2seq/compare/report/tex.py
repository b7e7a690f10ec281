"""A comparison as `table.tex`: one table a test set, for a paper that loads booktabs."""

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
    "`": r"\textasciigrave{}",  # after ? or ! it would be a Spanish mark
    "[": "{[}",  # after \\\\ it would begin an option,
    "*": "{*}",  # and so would this
    "\N{EN DASH}": r"\textendash{}",
    "\N{DAGGER}": r"\textdagger{}",
    "\N{NO-BREAK SPACE}": "~",
    "\N{NARROW NO-BREAK SPACE}": r"\,",
    "\N{SOFT HYPHEN}": r"\-",
}


def tex(comparison: Comparison) -> str:
    """Tables to be put in by `\\input`."""
    return "\n".join(table(comparison, test) for test in comparison.tests)


def table(comparison: Comparison, test: TestSet) -> str:
    """The systems on one test set; bold is what no other system beats, if it beats one itself."""
    metrics = list(test.quality.signatures)
    lines = [
        "% needs \\usepackage{booktabs} and, for quotes and accents, \\usepackage[T1]{fontenc};",
        "% names in other scripts than Latin need LuaLaTeX or XeLaTeX and a font that has them",
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
    """What was measured, and how."""
    up = " ".join(
        f"{NAMES[metric]} ({'lower' if metric in LOWER else 'higher'} is better): "
        f"\\texttt{{{escape(found)}}}."
        for metric, found in test.quality.signatures.items()
    )
    bold = (
        " Bold: beats another system and is beaten by none (paired approximate randomisation, "
        "Holm-corrected $p < 0.05$, every seed ahead)."
        if len(comparison.systems) > 1
        else ""
    )
    return f"{escape(title(comparison, test))}. {up}{bold}"


def unbeaten(test: TestSet, metric: str, name: str) -> bool:
    """Whether a system beats one and is beaten by none."""
    pairs = test.quality.pairs[metric]
    met = [pair.winner for pair in pairs if name in (pair.first, pair.second) and pair.winner]
    return bool(met) and all(winner == name for winner in met)


def number(spread: Spread) -> str:
    """A mean, with a small standard deviation beside it if there is one."""
    if spread.deviation is None:
        return f"{spread.mean:.1f}"
    return f"{spread.mean:.1f} {{\\scriptsize$\\pm$ {spread.deviation:.1f}}}"


def escape(string: str) -> str:
    """Text that TeX sets as it is: no command is in it, and no ligature such as -- or ,,."""
    special = "".join(map(re.escape, SPECIAL))
    return re.sub(
        rf"([-,])(?=\1)|[{special}]",
        lambda match: match[0] + "{}" if match[1] else SPECIAL[match[0]],
        printable(string),
    )
