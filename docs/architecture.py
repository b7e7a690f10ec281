"""Draw the package's folders and their imports as an SVG, for docs/architecture.md.

A hook of MkDocs; by hand: `python docs/architecture.py > architecture.svg`.

Boxes are arranged in layers, as in Sugiyama et al. 1981: a box lies one layer above the highest
box that it imports; boxes of a layer are ordered by the mean position of their neighbours. Arrows
that a chain of other arrows already implies are left out (transitive reduction).
"""

import html
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import grimp

PACKAGE = "seq2seq"
BOX_HEIGHT, CHARACTER, GAP_X, GAP_Y, MARGIN = 30, 7.4, 22, 54, 16
SWEEPS = 8  # passes that reorder the boxes of every layer
STYLE = """
  .box { fill: #f4f6fb; stroke: #3f51b5; }
  text { font: 13px sans-serif; fill: #1a1a1a; text-anchor: middle; dominant-baseline: central; }
  path { fill: none; stroke: #7a86b8; stroke-width: 1.1; marker-end: url(#arrow); }
"""
Edges = Mapping[str, set[str]]


def part_of(module: str) -> str | None:
    """The folder, or the file directly in the package, that a module belongs to."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else None


def read_imports(package: str = PACKAGE) -> tuple[dict[str, int], dict[str, set[str]]]:
    """The number of modules of every part of a package, and which parts each one imports."""
    graph = grimp.build_graph(package, cache_dir=None)
    sizes: dict[str, int] = defaultdict(int)
    imports: dict[str, set[str]] = defaultdict(set)
    for module in sorted(graph.modules):
        part = part_of(module)
        if part is None:
            continue
        sizes[part] += 1
        for imported in graph.find_modules_directly_imported_by(module):
            other = part_of(imported)
            if other is not None and other != part:
                imports[part].add(other)
    return dict(sizes), {part: imports[part] for part in sizes}


def cyclic_groups(edges: Edges) -> list[list[str]]:
    """The strongly connected components, sorted: boxes that import each other."""
    reach = {node: reachable(edges, node) for node in edges}
    groups: dict[str, list[str]] = {}
    for node in sorted(edges):
        first = min([node, *(other for other in reach[node] if node in reach[other])])
        groups.setdefault(first, []).append(node)
    return list(groups.values())


def reachable(edges: Edges, start: str) -> set[str]:
    """All nodes on a path from a node; itself only if it is on a cycle."""
    found: set[str] = set()
    waiting = list(edges[start])
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting += edges[node]
    return found


def layers_of(edges: Edges) -> dict[str, int]:
    """The layer of every node: 0 imports nothing, all others lie above what they import.

    Nodes that import each other share a layer.
    """
    group_of = {node: group[0] for group in cyclic_groups(edges) for node in group}
    below: dict[str, set[str]] = defaultdict(set)
    for node, others in edges.items():
        below[group_of[node]] |= {group_of[other] for other in others} - {group_of[node]}
    layers: dict[str, int] = {}

    def layer(group: str) -> int:
        if group not in layers:
            layers[group] = 1 + max(map(layer, sorted(below[group])), default=-1)
        return layers[group]

    return {node: layer(group_of[node]) for node in edges}


def reduced(edges: Edges) -> dict[str, set[str]]:
    """The edges without those that a longer path implies."""
    reach = {node: reachable(edges, node) for node in edges}
    return {
        node: {
            other
            for other in others
            if not any(
                other in reach[between] and between not in reach[other]
                for between in others - {other}
            )
        }
        for node, others in edges.items()
    }


def ordered(edges: Edges, layers: Mapping[str, int]) -> list[list[str]]:
    """The boxes of each layer from left to right, the highest layer first."""
    rows = [
        sorted(node for node in edges if layers[node] == layer)
        for layer in range(max(layers.values()), -1, -1)
    ]
    neighbours: dict[str, set[str]] = defaultdict(set)
    for node, others in edges.items():
        for other in others:
            neighbours[node].add(other)
            neighbours[other].add(node)
    for sweep in range(SWEEPS):
        place = {node: (index + 0.5) / len(row) for row in rows for index, node in enumerate(row)}
        for row in rows if sweep % 2 else reversed(rows):
            row.sort(key=lambda node: mean([place[n] for n in neighbours[node]], place[node]))
            place |= {node: (index + 0.5) / len(row) for index, node in enumerate(row)}
    return rows


def mean(values: Iterable[float], default: float) -> float:
    """The mean, or a default where there are no values."""
    found = list(values)
    return sum(found) / len(found) if found else default


def draw(sizes: Mapping[str, int], imports: Edges) -> str:
    """The picture as SVG text."""
    edges = reduced(imports)
    folders = {
        path.name for path in (Path(__file__).parents[1] / PACKAGE).iterdir() if path.is_dir()
    }
    labels = {n: f"{n} ({count})" if n in folders else f"{n}.py" for n, count in sizes.items()}
    widths = {node: CHARACTER * len(label) + 18 for node, label in labels.items()}
    rows = ordered(edges, layers_of(imports))
    lengths = [sum(widths[node] for node in row) + GAP_X * (len(row) - 1) for row in rows]
    width, height = max(lengths), len(rows) * (BOX_HEIGHT + GAP_Y) - GAP_Y
    place: dict[str, tuple[float, float]] = {}  # middle of the upper edge
    for number, (row, length) in enumerate(zip(rows, lengths, strict=True)):
        x = (width - length) / 2
        for node in row:
            place[node] = (x + widths[node] / 2, number * (BOX_HEIGHT + GAP_Y))
            x += widths[node] + GAP_X
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{-MARGIN} {-MARGIN} '
        f'{width + 2 * MARGIN:.0f} {height + 2 * MARGIN:.0f}" role="img">',
        f"<title>Folders of {PACKAGE} and their imports</title><style>{STYLE}</style>",
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z" style="fill:#7a86b8;stroke:none;'
        'marker-end:none"/></marker></defs>',
    ]
    for node in sorted(edges):
        for other in sorted(edges[node]):
            parts.append(arrow(place[node], place[other]))
    for node, (x, y) in sorted(place.items()):
        left, half = x - widths[node] / 2, y + BOX_HEIGHT / 2
        parts.append(
            f'<rect class="box" x="{left:.1f}" y="{y}" width="{widths[node]:.1f}" '
            f'height="{BOX_HEIGHT}" rx="4"/><text x="{x:.1f}" y="{half}">'
            f"{html.escape(labels[node])}</text>"
        )
    return "\n".join([*parts, "</svg>", ""])


def arrow(start: tuple[float, float], end: tuple[float, float]) -> str:
    """A curve from the lower edge of one box to the upper edge of another."""
    (x0, y0), (x1, y1) = start, end
    y0 += BOX_HEIGHT
    bend = GAP_Y / 2
    return f'<path d="M{x0:.1f} {y0} C{x0:.1f} {y0 + bend} {x1:.1f} {y1 - bend} {x1:.1f} {y1}"/>'


def on_files(files: Any, config: Any) -> Any:
    """Called by MkDocs: add the picture to the files of the site."""
    from mkdocs.structure.files import File

    files.append(File.generated(config, "architecture.svg", content=draw(*read_imports())))
    return files


if __name__ == "__main__":
    print(draw(*read_imports()))
