"""Lines of files with links, in the formats that other programs read."""

from collections.abc import Iterator

from seq2seq.alignment.gold import Links


def talp_line(links: Links) -> str:
    """Return the links of a pair, i-j if sure and ipj if possible, counted from 1."""
    marked = [(i, j, "-") for i, j in links.sure] + [(i, j, "p") for i, j in links.possible]
    return " ".join(f"{i + 1}{mark}{j + 1}" for i, j, mark in sorted(marked))


def naacl_lines(pair: int, links: Links) -> Iterator[str]:
    """Yield a line `pair source target S|P` for each link (Mihalcea and Pedersen 2003).

    Args:
        pair: the number of the pair, counted from 1 like the tokens.
        links: its links.
    """
    marked = [(i, j, "S") for i, j in links.sure] + [(i, j, "P") for i, j in links.possible]
    for i, j, mark in sorted(marked):
        yield f"{pair} {i + 1} {j + 1} {mark}"
