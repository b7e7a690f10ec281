"""The page of a comparison in a real browser: an installed Chromium, driven by Playwright.

Every test ends by checking that the console was silent and that no request left the page.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from report_data import (
    HOSTILE,
    LINES,
    large_report_data,
    report_data,
    word_entries,
    write_attention,
)

from seq2seq.compare import html
from seq2seq.compare.html import packing
from seq2seq.runs.stored_attention import Columns

driver = pytest.importorskip(
    "playwright.sync_api",
    reason="Playwright is not installed: pip install 'seq2seq-toolkit[browser]'",
)


OUTSIDE = "document.documentElement.scrollWidth > innerWidth"


def until(report: Any, selector: str, count: int) -> None:
    """Wait for so many elements; not by a script of the driver's, which the page's policy stops."""
    driver.expect(report.locator(selector)).to_have_count(count)


@pytest.fixture
def show(browser, tmp_path) -> Iterator[Callable[..., Any]]:
    """Write the page of some data and open it, all its curves drawn."""
    noise: list[str] = []
    with ExitStack() as stack:

        def opened(data: dict[str, Any], **settings: Any) -> Any:
            html.write(data, tmp_path / "report.html")
            context = browser.new_context(**{"color_scheme": "light", **settings})
            stack.callback(context.close)
            shown = context.new_page()
            shown.on("console", lambda message: noise.append(message.text))
            shown.on("pageerror", lambda error: noise.append(str(error)))
            shown.on("request", lambda request: noise.append(request.url))
            shown.goto((tmp_path / "report.html").as_uri())
            assert noise.pop(0) == (tmp_path / "report.html").as_uri()
            until(shown, ".plot[aria-busy]", 0)
            return shown

        yield opened
    assert noise == []


@pytest.fixture
def report(show, tmp_path) -> Any:
    data = report_data(tmp_path)
    data["tests"][0]["curves"] = []  # they take a second, and have a test of their own
    shown = show(data)
    shown.wait_for_selector("#heatmaps canvas")
    return shown


def lines(report: Any) -> list[int]:
    """The numbers of the lines that are listed."""
    return [int(text) for text in report.locator("#list .number").all_inner_texts()]


def chosen(report: Any) -> tuple[str, str | None]:
    """The line that is shown, and the one that the list says is selected."""
    option = report.locator("#list [aria-selected=true] .number")
    return report.inner_text("#sentence h3"), option.inner_text() if option.count() else None


def output(report: Any, run: str) -> Any:
    """The shown text of a run's output."""
    return report.locator(f"#texts dt:has-text('{run}') + dd")


def test_the_summary_says_what_was_handed_over(report):
    assert report.title() == report.inner_text("h1") == "Comparison"
    assert report.inner_text("#subtitle") == "en → fr, 2 systems, 3 runs"
    assert report.locator("#summary tbody tr").all_inner_texts() == [
        "●plain\t31.82",
        "■looks 1\t31.82",
        "■looks 2\t31.82",
    ]
    assert report.inner_text("#summary .notes") == "Searched with a beam of 5."


def test_who_beats_whom_is_said_by_colour_sign_and_text(report):
    cells = report.locator("#matrices td:not(.self)")
    assert cells.all_inner_texts() == ["\N{MINUS SIGN}1.50\n▼ p < 0.001", "+1.50\n▲ p = 0.002"]
    assert [cells.nth(i).get_attribute("class") for i in (0, 1)] == ["loses", "wins"]
    colours = {cells.nth(i).evaluate("e => getComputedStyle(e).backgroundColor") for i in (0, 1)}
    assert len(colours) == 2


def test_words_are_folded_away_until_asked_for(report):
    cell = report.locator("#words td", has_text="2")
    assert cell.is_hidden()
    report.get_by_text("Words that one gets right").first.click()
    assert cell.is_visible()


def test_curves_have_bands_and_answer_the_pointer(show, tmp_path):
    report = show(report_data(tmp_path))
    plots = report.locator(".plot")
    assert plots.nth(0).locator(".fills path").count() == 1
    assert plots.nth(0).locator(".legendtext").all_text_contents() == ["plain", "looks"]
    assert plots.nth(1).locator(".legendtext").count() == 3
    for plot, said in ((plots.nth(0), "plain : 10.00"), (plots.nth(1), "looks 21.00, 10.00")):
        plot.scroll_into_view_if_needed()
        point = plot.locator(".points path").first.bounding_box()
        report.mouse.move(point["x"] + 3, point["y"] + 3)
        driver.expect(plot.locator(".hoverlayer")).to_contain_text(said)
    report.click("#curves summary >> nth=0")
    assert report.locator("#curves tbody tr").first.inner_text() == "1-10\t10.00\t30.00"


def test_a_word_that_is_named_like_a_system_has_no_sign(show, tmp_path):
    data = report_data(tmp_path)
    data["tests"][0] |= {"curves": []}
    data["tests"][0]["words"][0]["rows"] = [["plain", "3", "2"]]
    different = {"head": ["", "plain", "looks"], "rows": [["plain", "rnn", "transformer"]]}
    data["configuration"]["different"] = different
    report = show(data)
    for table in ("#words table", "#provenance table >> nth=0"):
        drawn = report.locator(table)
        assert drawn.locator("tbody th").all_text_contents() == ["plain"]
        assert "\N{BLACK CIRCLE}plain" in drawn.locator("thead th").all_text_contents()


def test_the_seventh_system_differs_from_the_first(show, tmp_path):
    data = large_report_data(tmp_path, runs=8, lines=2)
    series = [
        {"name": name, "system": name, "x": ["1-10", "11-20"], "y": [1.0, 2.0 + n]}
        for n, name in enumerate(data["tests"][0]["outputs"])
    ]
    labels = {"title": "BLEU by length", "x": "words", "y": "BLEU", "categories": True}
    data["tests"][0]["curves"] = [{**labels, "series": series}]
    report = show(data)
    looks = report.evaluate(
        "document.querySelector('.plot').data.map(t => [t.line.color, t.line.dash,"
        " t.marker.symbol])"
    )
    assert looks[6] == [looks[0][0], "dash", looks[1][2]]
    for same in (lambda look: look, lambda look: (look[0], look[1]), lambda look: look[0::2]):
        assert len({tuple(same(look)) for look in looks}) == 8
    signs = report.locator("#shown .sign")
    seen = signs.evaluate_all("all => all.map(e => e.textContent + e.style.color)")
    assert len(set(seen)) == len(seen) == 8


def test_bins_of_reliability_are_in_order(show, tmp_path):
    data = report_data(tmp_path)
    bins = ["0-10", "10-20", "20-30", "30-40"]
    points = {"plain": {"20-30": 30.0}, "looks": {"0-10": 8.0, "10-20": 12.0, "20-30": 24.0}}
    series = [
        {"name": name, "system": name, "x": list(of), "y": list(of.values())}
        for name, of in points.items()
    ]
    labels = {"title": "Reliability", "x": "probability", "y": "right", "categories": True}
    ideal = {"x": bins, "y": [5.0, 15.0, 25.0, 35.0]}
    data["tests"][0]["curves"] = [{**labels, "ideal": ideal, "series": series}]
    report = show(data)
    report.click("#curves summary")
    assert report.locator("#curves tbody tr").all_inner_texts() == [
        "0-10\t\N{EN DASH}\t8.00",
        "10-20\t\N{EN DASH}\t12.00",
        "20-30\t30.00\t24.00",
    ]


def test_another_test_set_is_a_choice_away(report):
    report.get_by_role("radio", name="other").check()
    for empty in ("#matrices", "#curves", "#words"):
        assert report.locator(empty).is_hidden()
    assert report.inner_text("#missing").startswith("No attention is stored for plain, looks")
    assert report.locator("#heatmaps canvas").count() == 0


def test_lines_are_searched_in_all_texts(report):
    assert lines(report) == [1, 2, 3, 4, 5]
    report.fill("#search", "CHIEN mange")
    assert lines(report) == [2]
    assert report.inner_text("#count") == "1 of 5 lines"
    assert chosen(report) == ("Line 2", "2")
    report.fill("#search", "oiseaux deux")
    assert lines(report) == []
    assert report.inner_text("#count") == "None of 5 lines match the filters."
    assert report.locator("#sentence").is_hidden()
    report.fill("#search", "")
    assert lines(report) == [1, 2, 3, 4, 5]


def test_lines_are_filtered_by_length_and_by_who_wins(report):
    report.fill("#shortest", "2")
    report.fill("#longest", "3")
    assert lines(report) == [1, 5]
    report.fill("#shortest", "")
    report.fill("#longest", "")
    report.select_option("#ours", label="plain")
    report.select_option("#theirs", label="looks 1")
    won = {"wins": [2], "loses": [1, 4], "ties": [3, 5], "any": [1, 2, 3, 4, 5]}
    for outcome, expected in won.items():
        report.select_option("#outcome", outcome)
        assert lines(report) == expected
    report.select_option("#ours", label="looks, mean of 2")
    report.select_option("#outcome", "wins")
    assert lines(report) == [2]  # 20 and 30 against 20
    report.select_option("#theirs", label="plain")
    assert lines(report) == [1, 4]  # 100 and 90 against 50; 5 against 0
    assert report.locator("#list .difference").all_inner_texts() == ["▲ +45.00", "▲ +5.00"]
    report.select_option("#outcome", "ties")
    assert report.locator("#list .difference").all_inner_texts() == ["= 0.00", "= 0.00"]


def test_equal_means_over_seeds_are_a_tie(show, tmp_path):
    data = report_data(tmp_path)
    data["tests"][0] |= {"curves": []}
    scores = {"plain": 0.4, "looks 1": 0.1, "looks 2": 0.7}
    assert sum((0.1, 0.7)) / 2 != 0.4  # nor is it in JavaScript
    for name, output in data["tests"][0]["outputs"].items():
        output["score"] = [scores[name], *[1.0] * 4]
    report = show(data)
    report.select_option("#ours", label="plain")
    report.select_option("#theirs", label="looks, mean of 2")
    assert report.locator("#list .difference").all_inner_texts() == ["= 0.00"] * 5
    for outcome, expected in {"wins": [], "loses": [], "ties": [1, 2, 3, 4, 5]}.items():
        report.select_option("#outcome", outcome)
        assert lines(report) == expected


def test_source_words_are_those_between_spaces(show, tmp_path):
    """As in the tables by source length, so a comma is no word."""
    data = report_data(tmp_path)
    data["tests"][0] |= {"curves": []}
    data["tests"][0]["source"][4] = "two birds, don't."
    report = show(data)
    report.fill("#shortest", "3")
    report.fill("#longest", "3")
    assert lines(report) == [1, 5]


def test_lines_are_sorted(report):
    report.select_option("#ours", label="plain")
    report.select_option("#theirs", label="looks 1")
    orders = {
        "short": [4, 5, 1, 3, 2],
        "long": [2, 3, 1, 5, 4],
        "ours": [2, 3, 5, 4, 1],
        "theirs": [1, 4, 3, 5, 2],
        "worst": [4, 3, 1, 2, 5],
        "line": [1, 2, 3, 4, 5],
    }
    for order, expected in orders.items():
        report.select_option("#order", order)
        assert lines(report) == expected


def test_a_sentence_is_chosen_by_mouse(report):
    report.locator("#list .line").nth(4).click()
    assert chosen(report) == ("Line 5", "5")
    assert report.inner_text("#texts dt:has-text('Source') + dd") == "two birds"
    assert output(report, "plain").inner_text() == "deux oiseaux"
    assert report.locator("#texts .score").all_inner_texts() == ["100.0", "100.0", "100.0"]


def test_a_sentence_is_chosen_by_keyboard(report):
    report.focus("#list")
    for key, line in [("ArrowDown", 2), ("End", 5), ("ArrowDown", 5), ("ArrowUp", 4), ("Home", 1)]:
        report.keyboard.press(key)
        assert chosen(report) == (f"Line {line}", str(line))
        active = report.get_attribute("#list", "aria-activedescendant")
        assert report.locator(f"#{active}").get_attribute("aria-posinset") == str(line)


def test_everything_is_reached_by_tab_with_visible_focus(report):
    seen = []
    for _ in range(60):
        report.keyboard.press("Tab")
        name, outline = report.evaluate(
            "(() => { const e = document.activeElement; const s = getComputedStyle("
            "e.closest('.choice label') ?? e); return [e.id || e.className || e.tagName,"
            " s.outlineStyle]; })()"
        )
        assert outline != "none", name
        seen.append(name)
        if name == "BODY" or "grid" in name:
            break
    wanted = ["theme", "search", "shortest", "longest", "order", "ours", "outcome", "theirs"]
    assert [name for name in seen if name in wanted] == wanted
    assert {"against", "list", "grid"} <= set(seen)


def test_words_that_differ_are_marked(report):
    assert output(report, "plain").locator("mark").all_inner_texts() == ["chien"]
    assert output(report, "looks 1").locator("mark").count() == 0
    report.locator("#list .line").nth(1).click()
    gap = output(report, "plain").locator(".gap")
    assert gap.get_attribute("title") == "missing: le pain"
    assert gap.text_content() == "\N{CARET}missing: le pain"
    hidden = gap.locator(".hidden").bounding_box()
    assert (hidden["width"], hidden["height"]) == (1, 1)
    # That of #8a5d00 on white is 5.8, enough for text.
    driver.expect(gap).to_have_css("color", "rgb(138, 93, 0)")
    assert output(report, "plain").locator("mark").count() == 0
    report.select_option("#against", label="looks 1")
    assert output(report, "plain").locator("mark").all_inner_texts() == ["chien", "mange"]
    assert output(report, "looks 2").locator("mark, .gap").count() == 0
    report.locator("#list .line").nth(3).click()
    assert output(report, "plain").inner_text() == "empty"


def lit(report: Any) -> list[str]:
    return report.locator("#heatmaps .lit").all_inner_texts()


def test_a_word_under_the_pointer_lights_its_row_and_column(report):
    cell = 22
    report.locator("#heatmaps canvas").hover(position={"x": 2.5 * cell, "y": 0.5 * cell})
    assert lit(report) == ["sleeps", "le"]
    assert report.inner_text(".readout") == "le attends to sleeps: 80 %"
    parts = (".highlight.row", ".highlight.column", "#heatmaps canvas")
    row, column, corner = (report.locator(part).bounding_box() for part in parts)
    assert row["y"] == corner["y"] and row["height"] == cell
    assert column["x"] == corner["x"] + 2 * cell and column["width"] == cell
    report.locator("#heatmaps .target").nth(1).hover()
    assert lit(report) == ["chat"]
    assert report.inner_text(".readout").startswith("chat attends to ")
    report.locator("#heatmaps .source").nth(2).hover()
    assert lit(report) == ["sleeps"]
    assert report.inner_text(".readout").startswith("sleeps is attended to by le 80 %")
    report.hover("h3")
    assert lit(report) == [] and report.locator(".highlight:visible").count() == 0


def test_a_word_that_attends_to_all_others_alike_lists_three(show, tmp_path):
    data = report_data(tmp_path)
    data["tests"][0] |= {"curves": []}
    sources, texts = (list(lines) for lines in list(zip(*LINES, strict=True))[::3])
    sources[0] = " ".join(f"w{n}" for n in range(30))
    write_attention(tmp_path / "attention", sources, texts)
    report = show(data)
    until(report, "#heatmaps .source", 31)
    report.locator("#heatmaps .target").nth(1).hover()
    share = r"\S+ [1-5] %"
    assert re.fullmatch(f"chat attends to {share}, {share}, {share}", report.inner_text(".readout"))
    report.locator("#heatmaps .target").nth(0).hover()
    assert report.inner_text(".readout") == "le attends to w29 80 %"


def test_a_heatmap_is_walked_by_the_arrow_keys(report):
    report.focus("#shown input >> nth=0")
    report.keyboard.press("Tab")
    assert lit(report) == ["sleeps", "le"]  # what the first word looked at most
    report.keyboard.press("ArrowDown")
    report.keyboard.press("ArrowLeft")
    assert lit(report) == ["cat", "chat"]
    for _ in range(9):
        report.keyboard.press("ArrowRight")
    assert lit(report) == ["</s>", "chat"]
    report.keyboard.press("Escape")
    assert lit(report) == []


def test_the_ink_of_a_cell_is_its_weight(report):
    alpha = report.evaluate(
        "(() => { const c = document.querySelector('canvas'); const size = c.width / 4;"
        "return c.getContext('2d').getImageData(2.5 * size, 0.5 * size, 1, 1).data[3]; })()"
    )
    assert alpha == 204


@pytest.mark.parametrize("words", [20, 950, 1100])
def test_the_canvas_of_a_long_sentence_is_bounded(show, tmp_path, words):
    data = report_data(tmp_path)
    sources, texts = (["x", *lines[1:]] for lines in list(zip(*LINES, strict=True))[::3])
    sources[0], texts[0] = " ".join("a" * words), "b c d"
    write_attention(tmp_path / "attention", sources, texts)
    report = show(data)
    until(report, "#heatmaps figure", 1)
    if words > 1000:
        expected = "This map of 4 \N{MULTIPLICATION SIGN} 1,101 words is too large for this page"
        assert expected in report.locator("#heatmaps").inner_text()
        return
    size = min(44, 8192 // (words + 1))
    width, height, ink = report.evaluate(
        "(() => { const c = document.querySelector('canvas');"
        f"const at = [c.width - {size} - {size} / 2, {size} / 2, 1, 1];"
        "return [c.width, c.height, c.getContext('2d').getImageData(...at).data[3]]; })()"
    )
    assert (width, height, ink) == (size * (words + 1), size * 4, 204)


def test_heatmaps_stand_side_by_side_and_share_their_columns(show, tmp_path):
    data = report_data(tmp_path)
    data["tests"][0]["attention"]["looks 2"] = data["tests"][0]["attention"]["looks 1"]
    report = show(data)
    report.wait_for_selector("#heatmaps canvas")
    report.get_by_role("checkbox", name="looks 2").check()
    report.wait_for_selector("#heatmaps figure >> nth=1")
    boxes = [report.locator("#heatmaps figure").nth(i).bounding_box() for i in (0, 1)]
    assert boxes[0]["y"] == boxes[1]["y"] and boxes[0]["x"] < boxes[1]["x"]
    report.locator("canvas").first.hover(position={"x": 5, "y": 5})
    assert lit(report) == ["the", "le", "the"]
    report.get_by_role("checkbox", name="looks 1").uncheck()
    until(report, "#heatmaps figure", 1)


def with_maps(folder: Path) -> dict[str, Any]:
    """The data of a report; `plain` has self-attention with one softmax, `looks 1` has none."""
    data = report_data(folder)
    sources, _, _, texts = map(list, zip(*LINES, strict=True))
    file = write_attention(folder / "maps", sources, texts, columns=Columns("<s>", True))
    data["tests"][0] |= {"curves": []}
    data["tests"][0]["attention"]["plain"] = str(file)
    return data


def test_self_attention_is_shown_beside_attention_to_the_source(show, tmp_path):
    report = show(with_maps(tmp_path))
    until(report, "#heatmaps figure", 2)
    assert report.locator("#about-maps").is_visible()
    report.get_by_role("checkbox", name="to the target so far").check()
    report.get_by_role("checkbox", name="inside the encoder").focus()
    report.keyboard.press("Space")
    until(report, "#heatmaps figure", 4)
    captions = report.locator("#heatmaps figcaption").all_inner_texts()
    assert captions == [
        "●plain",
        "●plain, to the target so far",
        "●plain, inside the encoder",
        "■looks 1",
    ]
    target, encoder = (report.locator("#heatmaps figure").nth(i) for i in (1, 2))
    columns = ["the", "cat", "sleeps", "</s>", "<s>", "le", "chat", "dort"]
    assert target.locator(".source").all_inner_texts() == columns
    assert target.locator(".target").all_inner_texts() == ["le", "chat", "dort", "</s>"]
    assert encoder.locator(".target").all_inner_texts() == columns[:4]
    line, canvas = (target.locator(one).bounding_box() for one in (".border", "canvas"))
    assert line["x"] == pytest.approx(canvas["x"] + 4 * 22, abs=1)
    assert encoder.locator(".border").count() == 0


def test_self_attention_is_read_by_keyboard_and_by_screen_readers(show, tmp_path):
    report = show(with_maps(tmp_path))
    report.get_by_role("checkbox", name="to the target so far").check()
    report.get_by_role("checkbox", name="to the source").uncheck()
    until(report, "#heatmaps figure", 1)
    report.focus("#maps input >> nth=2")
    report.keyboard.press("Tab")
    grid = report.get_by_role("group", name="Heatmap of plain, to the target so far")
    assert grid.evaluate("e => e === document.activeElement")
    assert report.inner_text(".readout") == "le attends to dort: 100 %"
    report.keyboard.press("ArrowLeft")
    assert report.inner_text(".readout") == "le attends to chat: 0 %"
    report.get_by_role("checkbox", name="inside the encoder").check()
    report.get_by_role("checkbox", name="to the source").check()
    until(report, "#heatmaps figure", 4)
    report.locator("#heatmaps figure >> nth=2").locator(".source").nth(1).hover()
    assert lit(report) == ["cat", "cat", "cat"]  # in the maps with columns of the source
    report.locator("#heatmaps figure >> nth=1").locator(".source").nth(1).hover()
    assert lit(report) == ["cat"]  # other columns follow in this map
    report.get_by_role("checkbox", name="plain").uncheck()
    until(report, "#heatmaps figure", 1)


def test_runs_without_self_attention_are_named(show, report, tmp_path):
    assert report.locator("#maps").is_hidden() and report.locator("#about-maps").is_hidden()
    assert "No self-attention is stored for looks 1. seq2seq evaluate stores it for models" in (
        report.inner_text("#missing")
    )
    other = show(with_maps(tmp_path))
    until(other, "#heatmaps figure", 2)
    assert "No self-attention is stored for looks 1. " in other.inner_text("#missing")
    other.get_by_role("radio", name="other").check()
    assert other.locator("#maps").is_hidden()


def test_what_comes_from_a_corpus_or_a_name_stays_text(show, tmp_path):
    names = {name: f"{name} {HOSTILE}" for name in ("plain", "looks", "test", "title")}
    report = show(report_data(tmp_path, **names))
    report.wait_for_selector("#heatmaps canvas")
    report.locator("#list .line").nth(2).click()
    assert report.locator("#texts dd").all_text_contents() == [*LINES[2], LINES[2][-1]]
    assert report.inner_text("h1") == names["title"]
    assert names["plain"] in report.locator(".plot .legendtext").first.text_content()
    assert report.locator("b[onclick], body script:not([type])").count() == 1  # the page's own
    until(report, "#heatmaps .source", len(HOSTILE.split()) + 1)
    assert report.locator("#heatmaps .source").all_inner_texts() == [*HOSTILE.split(), "</s>"]


def test_light_and_dark(show, tmp_path):
    report = show(report_data(tmp_path), color_scheme="dark")
    paper = "getComputedStyle(document.body).backgroundColor"
    dark = report.evaluate(paper)
    assert report.get_attribute("#theme", "aria-pressed") == "true"
    report.click("#theme")
    assert report.evaluate(paper) == "rgb(255, 255, 255)" != dark
    report.click("#theme")
    assert report.evaluate(paper) == dark
    report.click("#theme")
    driver.expect(report.locator("body")).to_have_css("background-color", "rgb(255, 255, 255)")
    label = report.locator(".plot .legendtext").first
    assert label.evaluate("e => getComputedStyle(e).fill") == report.evaluate(
        "getComputedStyle(document.body).color"
    )


def test_the_button_counts_more_than_the_theme_of_the_system(report):
    dark, light = (("data-theme", theme) for theme in ("dark", "light"))
    page = report.locator("html")
    report.emulate_media(color_scheme="dark")
    driver.expect(page).to_have_attribute(*dark)
    report.emulate_media(color_scheme="light")
    driver.expect(page).to_have_attribute(*light)
    report.click("#theme")
    driver.expect(page).to_have_attribute(*dark)
    for system in ("dark", "light"):
        report.emulate_media(color_scheme=system)
        assert report.evaluate(f"matchMedia('(prefers-color-scheme: {system})').matches")
        report.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done, 100)))")
        driver.expect(page).to_have_attribute(*dark)
    assert report.get_attribute("#theme", "aria-pressed") == "true"


def test_on_paper_there_is_the_chosen_sentence_and_nothing_to_press(show, tmp_path):
    report = show(report_data(tmp_path), color_scheme="dark")
    report.wait_for_selector("#heatmaps canvas")
    report.emulate_media(media="print")
    assert report.evaluate("getComputedStyle(document.body).backgroundColor") == (
        "rgb(255, 255, 255)"
    )
    for gone in ("nav", ".filters", "#list", "#shown"):
        assert report.locator(gone).is_hidden()
    for there in ("#summary", "#matrices", ".plot >> nth=0", "#texts", "canvas"):
        assert report.locator(there).is_visible()
    assert report.pdf(format="A4").startswith(b"%PDF")


@pytest.mark.parametrize("width", [320, 390, 1400])
def test_the_page_is_never_wider_than_the_screen(show, tmp_path, width):
    data = large_report_data(tmp_path, runs=5, lines=30)
    longest = max(len(source.split()) for source in data["tests"][0]["source"])
    report = show(data, viewport={"width": width, "height": 844})
    report.wait_for_selector("#heatmaps canvas")
    assert not report.evaluate(OUTSIDE)
    report.select_option("#order", "long")
    until(report, "#heatmaps .source", 5 * (longest + 1))
    assert not report.evaluate(OUTSIDE)


def test_ten_runs_by_three_thousand_lines_are_drawn_only_where_they_are_looked_at(show, tmp_path):
    report = show(large_report_data(tmp_path, runs=10, lines=3000))
    report.wait_for_selector("#heatmaps canvas >> nth=9")
    assert report.inner_text("#count") == "3,000 lines"
    blocks = "[...sentences.attention.blocks.elements.values()].flat()"
    unpacked = f"{blocks}.filter(c => typeof c !== 'string')"
    assert report.evaluate(f"{unpacked}.length") == 10  # one chunk a run
    report.focus("#list")
    for key in ("PageDown", "PageDown", "End"):
        report.keyboard.press(key)
        assert len(lines(report)) < 40
    assert chosen(report) == ("Line 3000", "3000")
    assert report.evaluate(f"{unpacked}.length") == 20


def with_methods(folder: Path) -> dict[str, Any]:
    """A report in which one run has occlusion alone, and one has attention and occlusion."""
    data = report_data(folder)
    sources, _, plain, looks = map(list, zip(*LINES, strict=True))
    own = ("occlusion",)
    files = {
        "plain": write_attention(folder / "plain", sources, plain, first="occlusion", others=own),
        "looks 1": write_attention(folder / "looks", sources, looks, others=own),
    }
    test = data["tests"][0]
    test["attention"] = {name: str(file) for name, file in files.items()}
    test["curves"] = []
    data["tests"] = [test]
    return data


def inks(report: Any, heatmap: int, *cells: tuple[int, int]) -> list[list[int]]:
    """Red, green, blue and opacity of cells, from 0 to 255; they are read at once."""
    canvas = report.locator("#heatmaps canvas").nth(heatmap)
    return canvas.evaluate(
        "(c, cells) => { const size = c.height / getComputedStyle(c.parentElement)"
        ".gridTemplateRows.split(' ').slice(1).length;"
        "const all = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        "return cells.map(([y, x]) => { const at = 4 * (Math.floor((y + 0.5) * size) * c.width"
        " + Math.floor((x + 0.5) * size)); return [...all.slice(at, at + 4)]; }); }",
        cells,
    )


def test_the_method_of_a_sentence_can_be_switched(show, tmp_path):
    report = show(with_methods(tmp_path))
    until(report, "#heatmaps canvas", 2)
    names = "#heatmaps figcaption"
    assert report.locator("#method option").all_inner_texts() == ["occlusion", "attention"]
    assert report.locator("#shown label").all_inner_texts() == [
        "●plain\n(occlusion)",
        "■looks 1\n(attention, occlusion)",
    ]
    assert report.locator(names).all_inner_texts() == ["●plain, occlusion", "■looks 1, occlusion"]
    report.select_option("#method", "attention")
    driver.expect(report.locator(names)).to_have_text(["●plain, occlusion", "■looks 1, attention"])
    assert inks(report, 1, (0, 2))[0][3] == 204  # attention has one color
    report.locator("#list .line").nth(1).click()
    driver.expect(report.locator(names).nth(1)).to_have_text("■looks 1, attention")


def test_signed_maps_have_two_colors_and_say_their_sign(show, tmp_path):
    report = show(with_methods(tmp_path))
    until(report, "#heatmaps canvas", 2)
    less, more, none = inks(report, 0, (0, 0), (0, 2), (1, 1))
    assert less[0] > less[2] and more[2] > more[0] and none[3] == 0
    assert more[3] == 255 and 120 <= less[3] <= 136
    assert report.locator("#about-signs").is_visible()
    report.locator("#heatmaps .grid").nth(0).focus()
    canvas = report.locator("#heatmaps canvas").nth(0)
    readout = report.locator(".readout").nth(0)
    canvas.hover(position={"x": 0.5 * 22, "y": 0.5 * 22})
    assert readout.inner_text() == "le depends on the: \N{MINUS SIGN}1.01 nats"
    report.locator("#heatmaps .target").nth(0).hover()
    expected = "le depends on sleeps +2.00 nats, the \N{MINUS SIGN}1.01 nats"
    assert readout.inner_text() == expected
    report.locator("#heatmaps .source").nth(1).hover()
    assert readout.inner_text() == "No word depends on cat"
    report.locator("#heatmaps .source").nth(2).hover()
    assert readout.inner_text() == "sleeps affects le +2.00 nats"
    report.locator("#heatmaps .target").nth(1).hover()
    assert readout.inner_text() == "chien depends on no word in particular"


def test_only_attention_attends(show, tmp_path):
    data = report_data(tmp_path)
    sources, _, plain, looks = map(list, zip(*LINES, strict=True))
    test = data["tests"][0]
    test["attention"] = {
        "plain": str(write_attention(tmp_path / "plain", sources, plain, first="vectors")),
        "looks 1": str(write_attention(tmp_path / "looks", sources, looks)),
    }
    test["curves"] = []
    report = show(data)
    until(report, "#heatmaps canvas", 2)
    about = report.locator("#about-ink")
    depends = "mean that the output word depends more on the source word"
    assert about.inner_text() == f"have more attention or {depends}"
    readouts = report.locator(".readout")
    for heatmap, verb, passive in ((0, "depends on", "affects"), (1, "attends to", "is attended")):
        report.locator("canvas").nth(heatmap).hover(position={"x": 2.5 * 22, "y": 0.5 * 22})
        driver.expect(readouts.nth(heatmap)).to_have_text(f"le {verb} sleeps: 80 %")
        report.locator("#heatmaps figure").nth(heatmap).locator(".source").nth(2).hover()
        assert readouts.nth(heatmap).inner_text().startswith(f"sleeps {passive} ")
    report.get_by_role("checkbox", name="looks 1").uncheck()
    driver.expect(about).to_have_text(depends)
    report.get_by_role("checkbox", name="looks 1").check()
    report.get_by_role("checkbox", name="plain").uncheck()
    driver.expect(about).to_have_text("have more attention")


SLOW = """method => {
    const of = sentences.attention.of.bind(sentences.attention);
    const wait = new Promise(resume => { window.resume = resume; });
    sentences.attention.of = async (...asked) => {
        if (asked[3] === method || (method === null && asked[1] > 0)) await wait;
        return of(...asked);
    };
}"""


def test_the_heatmaps_asked_for_last_are_drawn(show, tmp_path):
    report = show(with_methods(tmp_path))
    names = report.locator("#heatmaps figcaption")
    driver.expect(names).to_have_text(["●plain, occlusion", "■looks 1, occlusion"])
    report.evaluate(SLOW, "attention")
    report.select_option("#method", "attention")
    report.select_option("#method", "occlusion")
    report.evaluate("window.resume(); new Promise(resume => setTimeout(resume, 100))")
    assert names.all_inner_texts() == ["●plain, occlusion", "■looks 1, occlusion"]
    assert inks(report, 1, (0, 2))[0][3] == 255  # that of attention is 204


def test_the_heatmaps_of_another_line_are_removed_at_once(show, tmp_path):
    report = show(with_methods(tmp_path))
    until(report, "#heatmaps canvas", 2)
    report.evaluate(SLOW, None)
    report.locator("#list .line").nth(1).click()
    until(report, "#heatmaps figure", 0)
    report.evaluate("window.resume()")
    until(report, "#heatmaps canvas", 2)
    assert report.locator("#heatmaps .source").all_inner_texts()[:2] == ["the", "dog"]


def test_one_method_is_no_choice(report):
    assert report.locator("#choose-method").is_hidden()
    assert report.locator("#choose-beneath").is_hidden()
    assert report.locator("#about-signs").is_hidden()


def test_numbers_stand_under_the_words(show, tmp_path):
    data = with_methods(tmp_path)
    _, _, plain, looks = map(list, zip(*LINES, strict=True))
    data["tests"][0]["probabilities"] = {
        "plain": word_entries(plain),
        "looks 1": word_entries(looks, shares=False),
        "looks 2": word_entries(["another text"] * 5),  # not the words of the output
    }
    data["invented"] = "A word may be invented."
    report = show(data)
    assert report.locator("#choose-beneath").inner_text().startswith("Show under each word")
    assert report.locator(".numbered:visible").count() == 0
    assert report.locator("#numbers").is_hidden()
    report.select_option("#beneath", label="share of the source, %")
    words = output(report, "plain").locator(".numbered")
    driver.expect(words).to_have_text(["le·", "chien12 ?", "dort99"])
    assert words.nth(1).locator("mark").inner_text() == "chien"  # differences stay marked
    assert output(report, "plain").locator(".invented").all_inner_texts() == ["chien\n12 ?"]
    for other in ("looks 1", "looks 2"):
        assert output(report, other).locator(".numbered").count() == 0
        assert output(report, other).inner_text() == "le chat dort"
    report.select_option("#beneath", label="probability, %")
    driver.expect(output(report, "looks 1").locator("small")).to_have_text(["0", "7", "14"])
    report.locator("#numbers summary").click()
    table = report.get_by_role("table", name="plain")
    assert table.locator("tbody tr").nth(1).locator("th, td").all_inner_texts() == [
        "chien",
        "7",
        "12",
        "may be invented",
    ]
    for place in (1, 2, 3, 4):  # missing words, hostile text, an empty output, another one
        report.locator("#list .line").nth(place).click()
        text = LINES[place][2]
        driver.expect(output(report, "plain")).to_have_count(1)
        words = output(report, "plain").locator(".numbered")
        if place in (1, 4):
            driver.expect(words).to_have_count(len(text.split()))
        else:
            assert words.count() in (0, len(text.split()))
    assert not report.evaluate(OUTSIDE)
    report.select_option("#beneath", "")
    driver.expect(report.locator(".numbered:visible")).to_have_count(0)
    assert report.locator("#numbers").is_hidden()


@pytest.mark.parametrize("width", [320, 1400])
def test_numbers_are_not_wider_than_the_screen(show, tmp_path, width):
    data = large_report_data(tmp_path, runs=2, lines=10)
    test = data["tests"][0]
    test["probabilities"] = {"system 0": word_entries(test["source"])}
    report = show(data, viewport={"width": width, "height": 844})
    report.select_option("#beneath", "share")
    report.wait_for_selector(".numbered")
    report.locator("#numbers summary").click()
    assert not report.evaluate(OUTSIDE)


def test_a_line_whose_maps_were_left_out_says_so(show, tmp_path, monkeypatch):
    monkeypatch.setattr(packing, "MAX_BYTES", 900)
    monkeypatch.setattr(packing, "CHUNK", 1)
    monkeypatch.setattr(html, "CHUNK", 1)
    report = show(with_methods(tmp_path))
    assert "lines are left out" in report.inner_text("#summary .notes")
    seen = set()
    for place in range(5):
        report.locator("#list .line").nth(place).click()
        report.wait_for_timeout(100)
        drawn = report.locator("#heatmaps figure").count() > 0
        assert report.locator("#dropped").is_visible() is (not drawn and place != 3)
        seen.add(drawn)
    assert seen == {True, False}


def test_without_any_attention_there_is_no_heatmap(show, tmp_path):
    data = report_data(tmp_path)
    data["tests"] = data["tests"][1:]
    report = show(data)
    assert "seq2seq evaluate stores it for" in report.inner_text("#missing")
    assert report.locator("#heatmaps figure").count() == 0
    assert report.inner_text("#attention") == report.inner_text("#missing")  # no heading, no notes


def test_attention_of_an_outside_system_is_not_expected(show, tmp_path):
    data = report_data(tmp_path)
    data["tests"][0] |= {"curves": []}
    data["runs"][0]["outside"] = True
    report = show(data)
    report.wait_for_selector("#heatmaps canvas")
    assert report.inner_text("#missing").startswith(
        "No attention is stored for looks 2. seq2seq evaluate stores it for models that have "
        "attention. Outside systems have no attention. No self-attention"
    )
    report.get_by_role("radio", name="other").check()
    assert "plain" not in report.inner_text("#missing")


def test_the_driver_finds_noise(browser, tmp_path: Path):
    """The check at the end of every test can fail: a page without a policy's leave is heard."""
    html.write(report_data(tmp_path), tmp_path / "report.html")
    document = (tmp_path / "report.html").read_text()
    (tmp_path / "report.html").write_text(
        document.replace("</body>", '<img src="https://example.org/x"><script>1</script></body>')
    )
    context = browser.new_context()
    shown, heard = context.new_page(), []
    shown.on("console", lambda message: heard.append(message.text))
    shown.goto((tmp_path / "report.html").as_uri())
    context.close()
    assert sum("Content Security Policy" in text for text in heard) == 2
