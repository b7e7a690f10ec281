"""Run the lessons and write their pages with results and figures to docs/lessons/ (`make lessons`).

`python docs/render_lessons.py 3 7` writes the pages of lessons 3 and 7 alone.
tests/test_lessons.py compares the pages with what the lessons print.
"""

import contextlib
import sys
from pathlib import Path

from seq2seq.commands.lessons import Lesson, all_lessons, page

FOLDER = Path(__file__).parent / "lessons"


def index(lessons: list[Lesson]) -> str:
    """Return the page that lists the lessons."""
    lines = [
        "# Lessons",
        "",
        "Each lesson is a Python file of less than 120 lines that explains one subject and "
        "computes every number it mentions. It uses torch alone; its last cell shows that the "
        "toolkit has the same numbers. `seq2seq lessons` lists them. `seq2seq lessons 3` copies "
        "the third one to the current folder, `seq2seq lessons 3 --run` shows it with its results, "
        "and `seq2seq lessons 3 --notebook` makes a Jupyter notebook (with the extra `lessons`).",
        "",
        "| | lesson | needs | seconds |",
        "|--:|:--|:--|--:|",
    ]
    for one in lessons:
        name = f"{one.path.stem}.md"
        lines.append(f"| {one.number} | [{one.title}]({name}) | {one.needs} | {one.seconds} |")
    lines += [
        "",
        "Seconds: CPU time of `python FILE` with one thread (`OMP_NUM_THREADS=1`), Intel Xeon.",
        "",
        "The same subjects at full size, with the commands that measured them: "
        "`experiments/pronouns` (lesson 3), `experiments/length` and `experiments/family` "
        "(lesson 6), `experiments/alignment` (lessons 7 and 11), `experiments/speed` (lesson 9).",
        "",
    ]
    return "\n".join(lines)


def main(numbers: list[int]) -> None:
    """Write the pages of some lessons (all if none are named), and the list."""
    FOLDER.mkdir(exist_ok=True)
    lessons = all_lessons()
    (FOLDER / "index.md").write_text(index(lessons), "utf-8")
    for lesson in lessons:
        if not numbers or lesson.number in numbers:
            with contextlib.chdir(FOLDER):  # the figures
                text = page(lesson)
            (FOLDER / f"{lesson.path.stem}.md").write_text(text, "utf-8")
            print(f"wrote docs/lessons/{lesson.path.stem}.md", flush=True)


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]])
