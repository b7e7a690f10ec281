"""The page of `seq2seq play` in a real browser: an installed Chromium, driven by Playwright.

Every test ends by checking that the console was silent and that no request left the page's server.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from play_client import TOKEN
from untrained_runs import make_controlled_run

from seq2seq.runs.weights import read_weights, save_tensors

driver = pytest.importorskip(
    "playwright.sync_api",
    reason="Playwright is not installed: pip install 'seq2seq-toolkit[browser]'",
)


MODELS = ("rnn", "bahdanau", "transformer")
TEXT = "a man rides a horse"
CARD = ".card >> nth={}"
FAILED = "Failed to load resource: "
REFUSED = (
    *(f"{FAILED}the server responded with a status of {kind}" for kind in (4, 5)),
    f"{FAILED}net::ERR_FAILED",
)
OUTSIDE = "document.documentElement.scrollWidth > innerWidth"


@pytest.fixture(scope="module")
def address(serve, tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("runs")
    runs = [make_controlled_run(folder / model, model, seed=1) for model in MODELS]
    weights = read_weights(runs[1] / "model.safetensors")
    for step in (5, 20):
        file = runs[1] / "checkpoints" / f"step-{step:08d}.safetensors"
        save_tensors(file, {name: one * step / 10 for name, one in weights.items()}, {})
    return f"http://127.0.0.1:{serve(*runs).port}"


@pytest.fixture
def show(browser, address) -> Iterator[Callable[..., Any]]:
    """Open the page; its state is a part of the address."""
    noise: list[str] = []
    contexts = []

    def opened(state: dict[str, Any] | None = None, token: str = TOKEN, **settings: Any) -> Any:
        context = browser.new_context(**{"color_scheme": "light", **settings})
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: hear(message.text))
        page.on("pageerror", lambda error: noise.append(str(error)))
        page.on("request", lambda request: note(request.url))
        parts = [f"token={token}"] if token else []
        parts += [f"state={json.dumps(state)}"] if state is not None else []
        page.goto(f"{address}/#{'&'.join(parts)}")
        return page

    def hear(message: str) -> None:
        if not message.startswith(REFUSED):  # Chromium reports every refused request
            noise.append(message)

    def note(url: str) -> None:
        if not url.startswith((f"{address}/", f"blob:{address}/")):
            noise.append(f"a request to {url}")

    yield opened
    for context in contexts:
        context.close()
    assert noise == []


def settled(page: Any, runs: int = len(MODELS)) -> Any:
    """Wait until all runs have translated."""
    driver.expect(page.locator("#status")).to_have_text(re.compile(f"^{runs} run"))
    driver.expect(page.locator(".card[aria-busy]")).to_have_count(0)
    return page


@pytest.fixture
def page(show) -> Any:
    page = show()
    page.fill("#text", TEXT)
    return settled(page)


def words(page: Any, run: int) -> list[str]:
    return page.locator(CARD.format(run)).locator(".target-word:not(.end)").all_inner_texts()


def calmly(page: Any, act: Callable[[], Any]) -> None:
    """Do something that makes the runs translate, and wait for the end."""
    page.evaluate("say('')")
    act()
    settled(page)


def pause_until(page: Any, ready: Callable[[], bool]) -> None:
    """Let the page go on until something is so, at most 5 seconds."""
    for _ in range(100):
        if ready():
            return
        page.wait_for_timeout(50)
    raise AssertionError("it has not happened")


class Held:
    """Holds the requests of one action back until `release`."""

    def __init__(self, page: Any, action: str) -> None:
        self.page, self.path, self.routes = page, f"**/api/{action}", []
        page.route(self.path, lambda route: self.routes.append(route))

    def wait(self, requests: int = 1) -> None:
        pause_until(self.page, lambda: len(self.routes) >= requests)

    def release(self) -> None:
        self.page.unroute(self.path)
        for route in self.routes:
            with suppress(driver.Error):  # the page has aborted the request
                route.continue_()
        self.page.wait_for_timeout(300)


def answer_with(page: Any, action: str, status: int = 200, **content: Any) -> None:
    """Answer the requests of one action without the server."""
    page.route(f"**/api/{action}", lambda route: route.fulfill(status=status, json=content))


def answer_changed(page: Any, action: str, **changes: Any) -> None:
    """Change fields of the server's answers to one action."""

    def act(route: Any) -> None:
        reply = route.fetch()
        route.fulfill(response=reply, json={**reply.json(), **changes})

    page.route(f"**/api/{action}", act)


def test_all_runs_translate_a_typed_sentence(page):
    assert page.title() == "seq2seq play" and page.inner_text("#subtitle") == "en → fr, 3 runs"
    assert page.locator(".card h3").all_inner_texts() == list(MODELS)
    for run in range(3):
        facts = page.locator(CARD.format(run)).locator(".facts").inner_text()
        assert re.match("[0-9]+[.][0-9]+ s · log-probability \N{MINUS SIGN}[0-9]", facts)
        assert page.locator(CARD.format(run)).locator(".grid canvas").count() == 1
    page.locator(CARD.format(1)).locator(".best summary").click()
    assert page.locator(CARD.format(1)).locator(".best tbody tr").count() == 3


def test_the_token_is_not_in_the_address_and_can_be_typed(show, address):
    page = show()
    driver.expect(page.locator("#ask")).to_be_visible()
    assert TOKEN not in page.url
    page.reload()
    driver.expect(page.locator("#ask")).to_be_visible()
    other = page.context.browser.new_context().new_page()
    other.goto(f"{address}/")
    driver.expect(other.locator("#error")).to_contain_text("The token is missing or wrong")
    assert other.locator(".card").count() == 0
    other.fill("#token", TOKEN)
    other.click("#enter button")
    driver.expect(other.locator(".card")).to_have_count(3)
    other.click("#theme")
    assert other.evaluate("document.documentElement.dataset.theme") == "dark"
    other.context.close()


def test_a_page_that_stays_open_keeps_its_token(page):
    sent = []
    page.on("request", lambda request: sent.append(request.headers.get("x-seq2seq-token")))
    page.evaluate("localStorage.setItem('seq2seq-token', 'of-a-later-program')")
    calmly(page, lambda: page.fill("#text", "the cat"))
    assert set(sent) == {TOKEN}


def test_a_new_token_loads_the_page_again(page):
    with page.expect_event("load"):
        page.evaluate("location.hash = 'token=of-a-later-program'")
    driver.expect(page.locator("#error")).to_contain_text("The token is missing or wrong")
    assert page.locator(".card").count() == 0 and "later" not in page.url
    with page.expect_event("load"):
        page.evaluate(f"location.hash = 'token={TOKEN}'")
    driver.expect(page.locator(".card")).to_have_count(3)


def test_a_token_typed_after_a_refusal_opens_the_page_once(page):
    answer_with(page, "translate", 401, error="the token is missing or wrong")
    page.fill("#text", "the cat")
    driver.expect(page.locator("#enter")).to_be_visible()
    page.unroute("**/api/translate")
    page.fill("#token", TOKEN)
    with page.expect_event("load"):
        page.click("#enter button")
    settled(page)
    assert page.locator(".card").count() == 3 and page.input_value("#text") == "the cat"
    page.click("#theme")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_a_refused_request_is_sent_once_more(page):
    seen = []

    def act(route: Any) -> None:
        seen.append(json.loads(route.request.post_data)["run"])
        if seen.count(seen[-1]) == 1:
            route.fulfill(status=503, json={"error": "32 requests are waiting already"})
        else:
            route.continue_()

    page.route("**/api/translate", act)
    calmly(page, lambda: page.fill("#text", "the cat"))
    assert sorted(seen) == [0, 0, 1, 1, 2, 2]
    assert page.locator(".problem:visible").count() == 0


def test_a_word_under_the_pointer_lights_in_every_run(page):
    card = page.locator(CARD.format(1))
    heights = "cards.map((card) => card.node.offsetHeight).join()"
    before = page.evaluate(heights)
    card.locator(".target-word").first.hover()
    assert page.evaluate(heights) == before  # words must not move under the pointer
    assert card.locator(".target-word.lit").all_inner_texts() == words(page, 1)[:1]
    assert card.locator(".grid .target.lit").all_inner_texts() == words(page, 1)[:1]
    page.evaluate("cards.forEach((card) => { card.map.target[0] = 'Same,'; })")
    page.evaluate("point(cards[1], 0)")  # all runs have this word
    for run in range(3):
        card = page.locator(CARD.format(run))
        assert card.locator(".grid .target.lit").count() == 1, run
        assert card.locator(".source-strip span[style*=background]").count() > 0
        assert card.locator(".readout").inner_text()
    page.evaluate("point(null, null)")
    assert page.locator(".lit").count() == 0


def test_words_are_walked_by_the_keyboard(page):
    row = page.locator(CARD.format(1)).locator(".target-word")
    row.first.focus()
    page.keyboard.press("End")
    assert page.evaluate("document.activeElement.className").startswith("target-word end")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Home")
    assert row.first.evaluate("e => e === document.activeElement")
    assert "attends to" in page.inner_text("#status")
    page.keyboard.press("Enter")
    options = page.locator(CARD.format(1)).locator(".option")
    driver.expect(options).to_have_count(10)
    driver.expect(options.first).to_be_focused()
    page.keyboard.press("ArrowDown")
    assert options.nth(1).evaluate("e => e === document.activeElement")
    page.keyboard.press("Escape")
    driver.expect(options).to_have_count(0)
    assert row.first.evaluate("e => e === document.activeElement")


def test_an_alternative_is_decoded_anew_and_undone(page):
    before = words(page, 1)
    page.locator(CARD.format(1)).locator(".target-word").nth(0).click()
    option = page.locator(CARD.format(1)).locator(".option").nth(2)
    wanted = option.locator(".alternative").inner_text()
    option.click()
    note = page.locator(CARD.format(1)).locator(".given")
    driver.expect(note).to_be_visible()
    assert "".join(words(page, 1)).startswith("".join(wanted.split()[:1]).rstrip("␣")[:1])
    assert '"prefix":[' in page.evaluate("decodeURIComponent(location.hash)")
    note.get_by_role("button").click()
    driver.expect(note).to_be_hidden()
    assert words(page, 1) == before


def test_alternatives_are_those_of_the_sentence_that_is_shown(page):
    word = page.locator(CARD.format(1)).locator(".target-word").first
    options = page.locator(CARD.format(1)).locator(".option")
    asked = []
    page.on("request", lambda request: asked.append(request.url.rpartition("/")[2]))
    translations = Held(page, "translate")
    page.fill("#text", "the cat")
    translations.wait(3)
    word.click()  # this word is of the sentence before
    page.locator(CARD.format(1)).get_by_role("button", name="in numbers").click()
    page.wait_for_timeout(300)
    assert not {"alternatives", "numbers"} & set(asked) and options.count() == 0
    calmly(page, translations.release)
    pieces = page.locator("#numbers table.steps").first.locator("tbody th")
    driver.expect(pieces.first).to_have_text("the")
    alternatives = Held(page, "alternatives")
    word.click()
    alternatives.wait()
    calmly(page, lambda: page.fill("#text", "two dogs"))
    alternatives.release()
    assert options.count() == 0
    word.click()
    driver.expect(options).to_have_count(10)
    page.fill("#text", "a horse")
    driver.expect(options).to_have_count(0)
    settled(page)


def test_the_focus_is_left_where_the_user_types(page):
    card = page.locator(CARD.format(1))
    focused = "document.activeElement.id"

    def late(action: str, press: Callable[[], None]) -> None:
        held = Held(page, action)
        press()
        held.wait()
        page.focus("#text")
        held.release()

    late("alternatives", card.locator(".target-word").first.click)
    driver.expect(card.locator(".option")).to_have_count(10)
    assert page.evaluate(focused) == "text"
    late("translate", card.locator(".option").nth(2).click)
    driver.expect(card.locator(".given")).to_contain_text("You fixed the words before the line")
    assert page.evaluate(focused) == "text"
    late("numbers", card.get_by_role("button", name="in numbers").click)
    driver.expect(page.locator("#numbers .step")).to_have_count(3)
    assert page.evaluate(focused) == "text"


def test_alternatives_that_cannot_be_chosen_can_be_read(page):
    answer_changed(page, "alternatives", can_choose=False)
    page.locator(CARD.format(1)).locator(".target-word").first.click()
    option = page.locator(CARD.format(1)).locator(".option").first
    driver.expect(option).to_be_disabled()
    assert option.evaluate("e => getComputedStyle(e).opacity") == "1"


@pytest.mark.parametrize("end", ["?", ".", ""])
def test_a_message_has_one_punctuation_mark(page, end):
    card = page.locator(CARD.format(1))
    wanted = f"so it is{end or '.'}"
    for action in ("alternatives", "numbers"):
        answer_with(page, action, 422, error=f"so it is{end}")
    card.locator(".target-word").first.click()
    driver.expect(card.locator(".problem:visible")).to_have_text(wanted)
    card.get_by_role("button", name="in numbers").click()
    driver.expect(page.locator("#numbers .problem")).to_have_text(wanted)
    answer_changed(page, "translate", map=None, no_map=f"so it is{end}")
    calmly(page, lambda: page.fill("#text", "the cat"))
    driver.expect(card.locator(".problem:visible")).to_have_text(wanted)


def lefts(row: Any) -> list[float]:
    return row.evaluate_all("all => all.map((one) => one.getBoundingClientRect().left)")


def test_words_from_right_to_left_are_in_their_order(page):
    text = "\u05d0\u05d1 \u05d2\u05d3 \u05d4\u05d5"
    chips, card = page.locator(".chip"), page.locator(CARD.format(1))
    assert lefts(chips) == sorted(lefts(chips))
    calmly(page, lambda: page.fill("#text", text))
    pieces = [f"\u2581{word}" for word in text.split()]
    page.evaluate(
        """(pieces) => {
          const answer = { ...cards[1].answer, pieces: [...pieces, "</s>"], starts: [0, 1, 2, 3] };
          cards[1].show(answer, cards[1].map);
        }""",
        pieces,
    )
    words = card.locator(".target-word")
    assert words.all_inner_texts() == [*text.split(), "</s>"]
    strip = card.locator(".source-strip span")
    for row in (chips, words, strip):
        assert lefts(row) == sorted(lefts(row), reverse=True) and row.count() >= 3
    words.first.focus()
    page.keyboard.press("ArrowLeft")
    assert words.nth(1).evaluate("e => e === document.activeElement")
    chips.first.focus()
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("chosen") == 1
    calmly(page, lambda: page.click("#left"))
    first, second, third = text.split()
    assert chips.all_inner_texts() == [first, third, second]


@pytest.mark.parametrize("new", ["i", "gentleman or gentlewoman", ""])
def test_a_word_chosen_while_another_is_replaced_is_chosen(page, new):
    chips = page.locator(".chip")
    chips.nth(1).click()
    page.fill("#replace", new)
    page.evaluate("say('')")
    chips.nth(3).click()
    if new:
        settled(page)
    words = [*(new.split() or ["man"]), "rides"]
    assert chips.all_inner_texts() == ["a", *words, "a", "horse"]
    place = 1 + len(words)
    assert page.evaluate("chosen") == place and page.input_value("#replace") == "a"
    assert chips.nth(place).get_attribute("aria-pressed") == "true"
    chips.nth(place).click()
    assert page.evaluate("chosen") is None


def test_source_words_are_hidden_replaced_and_moved(page):
    before = [words(page, run) for run in range(3)]
    chips = page.locator(".chip")
    assert chips.all_inner_texts() == TEXT.split()
    chips.nth(1).focus()
    calmly(page, lambda: page.keyboard.press("Delete"))
    assert chips.nth(1).get_attribute("aria-label") == "man, hidden"
    assert page.evaluate("askedSentence().text") == "a rides a horse"
    changed = page.locator(".target-word.changed").count()
    assert changed or [words(page, run) for run in range(3)] == before
    calmly(page, lambda: page.keyboard.press("Alt+ArrowRight"))
    assert chips.all_inner_texts() == ["a", "rides", "man", "a", "horse"]
    page.fill("#replace", "two dogs")
    calmly(page, lambda: page.keyboard.press("Enter"))
    assert chips.all_inner_texts() == ["a", "rides", "two", "dogs", "a", "horse"]
    chips.nth(4).click()
    chips.nth(5).click()
    calmly(page, lambda: page.click("#hide"))
    calmly(page, lambda: page.select_option("#how", "mean"))
    assert page.evaluate("askedSentence().hidden") == [5]
    calmly(page, lambda: page.click("#restore"))
    assert chips.all_inner_texts() == TEXT.split()
    assert [words(page, run) for run in range(3)] == before


def test_the_grammar_makes_the_same_sentence_longer(page):
    calmly(page, lambda: page.click("#random"))
    short = page.input_value("#text")
    page.focus("#clauses")
    calmly(page, lambda: page.keyboard.press("ArrowRight"))
    longer = page.input_value("#text")
    assert longer.startswith(short.rstrip(".")) and len(longer) > len(short)
    assert page.locator("#reference b").inner_text()
    calmly(page, lambda: page.select_option("#rows", "reference"))
    for run in range(3):
        card = page.locator(CARD.format(run))
        assert "AER" in card.locator(".facts").inner_text()
        assert card.locator(".gold.sure").count() > 3


def test_what_is_typed_is_not_replaced_by_a_late_sentence_of_the_grammar(page):
    grammar = Held(page, "grammar")
    page.click("#random")
    grammar.wait()
    calmly(page, lambda: page.fill("#text", "the cat"))
    grammar.release()
    assert page.input_value("#text") == "the cat" and page.evaluate("state.text") == "the cat"
    slider = page.locator("#clauses")
    driver.expect(slider).to_be_disabled()
    calmly(page, lambda: page.click("#random"))
    driver.expect(slider).to_be_enabled()
    slider.press("ArrowRight")  # begins a pause, which typing ends
    page.fill("#text", "two dogs")
    driver.expect(slider).to_be_disabled()
    page.wait_for_timeout(500)
    settled(page)
    assert page.input_value("#text") == page.evaluate("state.text") == "two dogs"


def test_the_last_of_several_sentences_of_the_grammar_is_shown(page):
    grammar = Held(page, "grammar")
    page.evaluate("void grow(1, 3)")
    grammar.wait(1)
    page.evaluate("void grow(1, 1)")
    grammar.wait(2)
    calmly(page, grammar.routes.pop().continue_)
    grammar.release()
    settled(page)
    assert page.evaluate("state.clauses") == 1


def test_an_attention_is_shown_in_numbers(page):
    page.locator(CARD.format(2)).get_by_role("button", name="in numbers").click()
    numbers = page.locator("#numbers")
    driver.expect(numbers.locator(".step")).to_have_count(3)
    driver.expect(page.locator("#numbers-title")).to_be_focused()
    calc = (
        numbers.locator("table.steps").first.locator("tbody tr td:nth-child(5)").all_inner_texts()
    )
    assert sum(float(text) for text in calc) == pytest.approx(1, abs=0.01)
    numbers.get_by_label("Layer").select_option("2")
    driver.expect(numbers.locator("code").first).to_contain_text("query · key / √width")
    driver.expect(numbers).to_contain_text("layer 2 of 3")
    numbers.locator(".piece").nth(1).click()
    assert numbers.locator("details[open] summary").inner_text().startswith("Terms of the score")
    page.locator(CARD.format(1)).get_by_role("button", name="in numbers").click()
    driver.expect(numbers).to_contain_text("v · tanh(query + key)")


def test_the_numbers_follow_the_sentence(page):
    page.locator(CARD.format(2)).get_by_role("button", name="in numbers").click()
    driver.expect(page.locator("#numbers .step")).to_have_count(3)
    calmly(page, lambda: page.fill("#text", "the cat"))
    pieces = page.locator("#numbers table.steps").first.locator("tbody th")
    driver.expect(pieces.last).to_have_text("</s>")
    for _ in range(100):  # the numbers are asked for after the translation
        if (shown := "".join(pieces.all_inner_texts())) == "thecat</s>":
            break
        page.wait_for_timeout(50)
    assert shown == "thecat</s>" and page.locator("#numbers").is_visible()
    page.fill("#text", "a\N{RIGHT-TO-LEFT OVERRIDE}b")
    driver.expect(page.locator("#numbers")).to_be_hidden()


def test_a_map_that_is_refused_keeps_the_translation(page):
    calmly(page, lambda: page.evaluate("grow(3, 2)"))
    card = page.locator(CARD.format(1))
    before = words(page, 1)
    methods = card.get_by_role("combobox", name="Map")
    assert (
        "undefined" not in methods.inner_text() and "the form of the word" in methods.inner_text()
    )
    methods.select_option("smoothgrad")
    driver.expect(card.locator(".problem")).to_contain_text("smoothgrad accepts at most 20: choose")
    assert words(page, 1) == before
    card.get_by_role("combobox", name="Map").select_option("attention")
    driver.expect(card.locator(".grid canvas")).to_have_count(1)
    assert card.locator(".problem").is_hidden()


def test_methods_layers_and_heads_are_chosen(page):
    card = page.locator(CARD.format(2))
    for label, value in (("Layer", "3"), ("Head", "2"), ("Row", "true"), ("Map", "occlusion")):
        card.get_by_role("combobox", name=label).select_option(value)
        driver.expect(card.locator("figcaption")).to_be_visible()
        driver.expect(card).not_to_have_attribute("aria-busy", "true")
    driver.expect(card.locator("figcaption")).to_contain_text("occlusion")
    assert card.get_by_role("combobox", name="Layer").count() == 0
    card.locator(".map details summary").click()
    rows = card.locator(".grid .target").count()
    driver.expect(card.locator(".map table tbody tr")).to_have_count(rows)


def test_a_slider_shows_the_checkpoints(page):
    card = page.locator(CARD.format(1))
    slider, before = card.get_by_label("Checkpoint"), words(page, 1)
    assert card.locator("output").inner_text() == "best weights"
    said = []
    for _ in range(3):
        slider.press("ArrowLeft")
        said.append(card.locator("output").inner_text())
    assert said == ["step 20", "step 5", "untrained"]
    driver.expect(page.locator("#status")).to_have_text(re.compile("^bahdanau:"))
    slider.press("End")
    driver.expect(card.locator(".target-words")).to_contain_text(" ".join(before[:2]))
    assert page.locator(CARD.format(0)).get_by_label("Checkpoint").count() == 0


def test_a_link_restores_the_page(page, show):
    card = page.locator(CARD.format(2))
    card.get_by_role("combobox", name="Layer").select_option("3")
    page.locator(".chip").nth(0).click()
    calmly(page, lambda: page.click("#hide"))
    page.click("#share")
    state = page.evaluate("JSON.parse(new URLSearchParams(location.hash.slice(1)).get('state'))")
    assert TOKEN not in json.dumps(state) and TOKEN not in page.url
    other = settled(show(state))
    assert other.input_value("#text") == TEXT
    assert [words(other, run) for run in range(3)] == [words(page, run) for run in range(3)]
    assert other.locator(CARD.format(2)).get_by_role("combobox", name="Layer").input_value() == "3"
    assert other.locator(".chip.out").all_inner_texts() == ["a"]


def test_a_link_shows_its_sentence_where_examples_and_checkpoints_differ(page, show):
    calmly(page, lambda: page.evaluate("grow(3, 2)"))
    grown = page.evaluate("state.text")
    kept = {"seed": 3, "clauses": 2, "runs": {"bahdanau": {"step": 5}}}
    other = settled(show({**kept, "text": grown}))
    assert other.input_value("#text") == grown and other.locator("#reference").is_visible()
    assert other.evaluate("cards[1].choices.step") == 5
    runs = {"bahdanau": {"step": 7}, "rnn": {"step": 5}}
    other = settled(show({**kept, "text": TEXT, "runs": runs}))
    assert other.input_value("#text") == TEXT and other.locator("#reference").is_hidden()
    assert other.locator(".problem:visible").count() == 0
    assert other.evaluate("cards.map((card) => card.choices.step ?? null)") == [None] * 3


def test_a_link_shows_its_sentence_and_not_another_example(page):
    sentences = [{"text": text, "reference": "le chat", "gold": None} for text in (TEXT, "the cat")]
    answer_changed(page, "start", examples=[{"test": "test", "sentences": sentences}])
    page.reload()
    settled(page)
    calmly(page, lambda: page.select_option("#examples", '["test",1]'))
    assert page.input_value("#text") == "the cat" and page.locator("#reference").is_visible()
    page.reload()
    settled(page)
    assert page.input_value("#examples") == '["test",1]'
    page.unroute("**/api/start")
    answer_changed(page, "start", examples=[{"test": "test", "sentences": sentences[:1] * 2}])
    page.reload()
    settled(page)
    assert page.input_value("#text") == "the cat" and page.locator("#reference").is_hidden()
    assert page.input_value("#examples") == ""


@pytest.mark.parametrize(
    "state",
    [
        {"text": 5, "runs": 7, "words": "x", "clauses": -3, "example": ["x", 99]},
        {"text": "<img src=x onerror=alert(1)>", "runs": {"rnn": {"method": "<b>", "step": 1e9}}},
        {"text": TEXT, "runs": {"bahdanau": {"step": 7, "prefix": [99999999, "x"]}}, "beam": 1e300},
        [],
        None,
        3,
    ],
)
def test_a_link_with_other_content_does_no_harm(show, state):
    page = show(state)
    driver.expect(page.locator(".card")).to_have_count(3)
    driver.expect(page.locator(".card[aria-busy]")).to_have_count(0)
    assert page.locator("main img").count() == 0


@pytest.mark.parametrize("kind", ["PNG", "SVG", "JSON"])
def test_a_heatmap_is_downloaded(page, kind, tmp_path):
    with page.expect_download() as waiting:
        page.get_by_role("button", name=f"Download {kind} of bahdanau").click()
    download = waiting.value
    name = f"bahdanau-attention-predicts-translation.{kind.lower()}"
    assert download.suggested_filename == name
    download.save_as(tmp_path / "file")
    content = (tmp_path / "file").read_bytes()
    if kind == "PNG":
        assert content.startswith(b"\x89PNG\r\n") and len(content) > 1000
    elif kind == "SVG":
        assert b'xmlns="http://www.w3.org/2000/svg"' in content and b">rides<" in content
        assert b">row that predicts the word, of the translation<" in content
    else:
        data = json.loads(content)
        assert data["source"] == [*TEXT.split(), "</s>"] and data["method"] == "attention"
        assert len(data["values"]) == len(data["target"]) and data["run"] == "bahdanau"


def saved(page: Any, run: str, tmp_path: Any) -> tuple[str, dict[str, Any]]:
    """Download the numbers of a heatmap; return their file name and content."""
    with page.expect_download() as waiting:
        page.get_by_role("button", name=f"Download JSON of {run}").click()
    waiting.value.save_as(tmp_path / "file")
    return waiting.value.suggested_filename, json.loads((tmp_path / "file").read_text())


def test_a_saved_heatmap_says_what_it_is(page, tmp_path):
    card = page.locator(CARD.format(2))
    choose = partial(card.get_by_role, "combobox")
    for label, value in (("Layer", "3"), ("Head", "0"), ("Row", "true")):
        choose(name=label).select_option(value)
        driver.expect(card).not_to_have_attribute("aria-busy", "true")
    page.locator(".chip").nth(1).click()
    calmly(page, lambda: page.select_option("#how", "mean"))
    calmly(page, lambda: page.click("#hide"))
    page.fill("#beam", "2")
    calmly(page, lambda: page.press("#beam", "Enter"))
    details = "layer 3, mean of the heads, row that reads the word, of the translation, "
    driver.expect(card.locator("figcaption")).to_contain_text(f"{details}1 word hidden (mean)")
    name, data = saved(page, "transformer", tmp_path)
    assert name == "transformer-attention-layer-3-head-mean-reads-translation-hidden.json"
    parts = ("layer", "head", "row", "of", "hidden_words", "hide", "beam", "prefix", "step")
    assert [data[part] for part in parts] == [
        *(3, "mean", "reads the word", "translation"),
        *(["man"], "mean", 2, [], None),
    ]
    assert data["version"] == page.evaluate("page.version") and data["text"] == data["translation"]


def test_a_saved_heatmap_of_the_reference_says_so(page, tmp_path):
    page.locator(CARD.format(1)).get_by_label("Checkpoint").press("Home")
    driver.expect(page.locator("#status")).to_have_text(re.compile("^bahdanau:"))
    calmly(page, lambda: page.evaluate("grow(3, 1)"))
    calmly(page, lambda: page.select_option("#rows", "reference"))
    name, data = saved(page, "bahdanau", tmp_path)
    assert name == "bahdanau-attention-untrained-predicts-reference.json"
    assert (data["of"], data["step"]) == ("reference", 0)
    assert data["text"] == page.inner_text("#reference b") != data["translation"]


def test_errors_are_one_sentence_in_the_page(page):
    page.fill("#text", "word " * 210)
    driver.expect(page.locator("#error")).to_have_text(
        "The sentence has 1,049 characters, but at most 1,000 are accepted: shorten it."
    )
    page.fill("#text", "a\N{RIGHT-TO-LEFT OVERRIDE}b")
    driver.expect(page.locator(CARD.format(0)).locator(".problem")).to_contain_text("U+202E")
    page.fill("#text", "")
    driver.expect(page.locator("#error")).to_contain_text("The sentence is empty")
    page.press("#text", "Enter")
    driver.expect(page.locator("#error")).to_contain_text("The sentence is empty")
    calmly(page, lambda: page.fill("#text", TEXT))
    driver.expect(page.locator(".problem:visible")).to_have_count(0)
    assert page.locator("#error").is_hidden()


def test_a_sentence_that_is_not_translated_leaves_no_translation(page):
    shown = page.locator(".target-word, .grid, .problem:visible, .saves button")
    page.locator(CARD.format(2)).get_by_role("button", name="in numbers").click()
    driver.expect(page.locator("#numbers .step")).to_have_count(3)
    for text in ("word " * 210, "", TEXT):
        page.fill("#text", text)
        driver.expect(page.locator("#error")).to_be_visible(visible=text != TEXT)
        driver.expect(shown.first).to_be_visible(visible=text == TEXT)
        assert page.locator("#numbers").is_hidden()
    settled(page)
    translations = Held(page, "translate")
    page.fill("#text", "the cat")
    translations.wait(3)
    page.fill("#text", "")
    driver.expect(page.locator("#error")).to_be_visible()
    driver.expect(page.locator(".card[aria-busy]")).to_have_count(0)
    translations.release()
    assert shown.count() == 0


def test_a_sentence_without_words_is_said(page):
    for place in range(len(TEXT.split())):
        page.locator(".chip").nth(place).click()
        if not place:
            calmly(page, lambda: page.select_option("#how", "mean"))
        calmly(page, lambda: page.click("#hide"))
    page.select_option("#how", "drop")
    driver.expect(page.locator("#error")).to_contain_text("All words are left out")
    assert page.locator(".target-word").count() == 0


def test_markup_is_shown_as_text(show):
    page = show()
    page.fill("#text", "<b>a</b> <script>alert(1)</script>")
    settled(page)
    assert page.locator(".chip").all_inner_texts() == ["<b>a</b>", "<script>alert(1)</script>"]
    assert page.locator("main b:not(#reference b)").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_a_phone_in_both_themes(show, scheme):
    page = show(viewport={"width": 360, "height": 700}, color_scheme=scheme)
    settled_text = "a man rides a horse over the grass"
    page.fill("#text", settled_text)
    settled(page)
    page.locator(CARD.format(2)).get_by_role("button", name="in numbers").click()
    driver.expect(page.locator("#numbers .step")).to_have_count(3)
    page.locator(".chip").first.click()
    assert not page.evaluate(OUTSIDE)
    color = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (color == "rgb(255, 255, 255)") == (scheme == "light")


def test_every_control_has_a_name_and_a_visible_focus(page):
    unnamed = page.evaluate(
        "[...document.querySelectorAll('button, input, select')].filter((e) => e.offsetParent"
        " && !e.labels?.length && !e.textContent.trim() && !e.ariaLabel).length"
    )
    assert unnamed == 0
    page.focus("#text")
    for _ in range(25):
        page.keyboard.press("Tab")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none" or page.evaluate("document.activeElement === document.body")


def test_the_server_that_is_gone_is_said(page):
    page.route("**/api/**", lambda route: route.abort())
    page.fill("#text", "the cat")
    problem = page.locator(CARD.format(0)).locator(".problem")
    driver.expect(problem).to_contain_text("The server does not answer")
