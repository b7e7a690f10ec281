"""`seq2seq adopt marian` of M2M100: the run computes what `transformers` computes."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from adopted_model import (
    diagonal,
    in_parts,
    nan,
    pickled,
    rewritten,
    truncated,
    weights,
    without,
)
from m2m100_model import EOS, write_m2m100
from safetensors.torch import load_file

from seq2seq import Translator
from seq2seq.alignment.gold import write_gold
from seq2seq.alignment.rule import shares, words
from seq2seq.export.onnx import description
from seq2seq.layers.positions import fairseq_sinusoidal
from seq2seq.play.session import Session
from seq2seq.search import Beam
from seq2seq.text.batching import collate
from seq2seq.text.renumbered import Renumbered
from seq2seq.translation.translation import END

transformers = pytest.importorskip("transformers", reason="transformers is not installed")
KINDS: dict[str, dict[str, Any]] = {
    "relu": {"end": 5.0},
    "swish, not scaled": {
        "end": 4.6,
        "activation_function": "swish",
        "scale_embedding": False,
    },
}
CONFIG, TOKENIZER, VOCAB = "config.json", "tokenizer_config.json", "vocab.json"
SEGMENTER = "sentencepiece.bpe.model"


@pytest.fixture(scope="session")
def lines(phrases: Path) -> dict[str, list[str]]:
    return {
        side: (phrases / f"train.{side}").read_text("utf-8").splitlines() for side in ("en", "de")
    }


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory, lines: dict[str, list[str]]) -> dict[str, Path]:
    """A folder with each kind of model."""
    folder, text = tmp_path_factory.mktemp("m2m100"), [*lines["en"], *lines["de"]]
    return {
        name: write_m2m100(folder / str(number), text, **keys)
        for number, (name, keys) in enumerate(KINDS.items())
    }


@pytest.fixture(params=KINDS)
def m2m100(request: pytest.FixtureRequest, once: dict[str, Path]) -> Path:
    return once[request.param]


@pytest.fixture
def plain(once: dict[str, Path]) -> Path:
    return once["relu"]


@pytest.fixture
def changed(plain: Path, tmp_path: Path) -> Path:
    """A copy that a test changes."""
    return shutil.copytree(plain, tmp_path / "model")


def arguments(phrases: Path, *more: str) -> list[str]:
    corpus = ["data=files", f"data.root={phrases}", "data.source=en", "data.target=de"]
    return ["name=m2m", *corpus, *more]


@pytest.fixture
def adopt(command: Callable[..., Any], phrases: Path) -> Callable[[Path], Path]:
    """Adopt a model; the run folder."""

    def adopt(folder: Path) -> Path:
        answer = command("adopt", "marian", folder, *arguments(phrases))
        assert answer.status == 0, answer.err
        return Path("runs/m2m").absolute()

    return adopt


def theirs(folder: Path, **options: Any) -> tuple[Any, Any]:
    """The tokenizer and the model of `transformers`."""
    tokenizer = transformers.M2M100Tokenizer.from_pretrained(folder, src_lang="en", tgt_lang="de")
    model = transformers.M2M100ForConditionalGeneration.from_pretrained(folder, **options)
    return tokenizer, model.eval()


def sentences(lines: dict[str, list[str]], count: int) -> list[str]:
    """Random sequences of words, some of them unknown, of 1 to 15 words."""
    rng = random.Random(1)
    known = [*{word for line in lines["en"] for word in line.split()}, "Ünknown", "漢字", "zz"]
    return [" ".join(rng.choices(sorted(known), k=rng.randint(1, 15))) for _ in range(count)]


def test_logits_and_attention_are_those_of_transformers(
    adopt: Callable[[Path], Path], m2m100: Path, lines: dict[str, list[str]]
) -> None:
    """Also at positions after max_position_embeddings, which is no limit in `transformers`."""
    translator = Translator(adopt(m2m100), device="cpu")
    _, model = theirs(m2m100, attn_implementation="eager")
    source, target = translator.tokenizers
    sides = ([*lines["en"][:9], " ".join(lines["en"][:6])] for _ in range(2))
    ids = [one.encode(texts) for one, texts in zip((source, target), sides, strict=True)]
    pairs = list(zip(*ids, strict=True))
    batch = collate(pairs, translator.model.special)
    assert batch.src.size(1) > model.config.max_position_embeddings + 2
    start = torch.full((len(pairs), 1), EOS)
    with torch.inference_mode():
        ours, maps = translator.model(batch), translator.model.maps(batch)
        other = model(
            input_ids=batch.src,
            attention_mask=batch.src_mask.long(),
            decoder_input_ids=torch.cat([start, batch.tgt_in], dim=1),
            output_attentions=True,
        )
    real = batch.tgt_out != batch.pad
    assert ours.logits.std() > 0.5
    torch.testing.assert_close(ours.logits[real], other.logits[:, 1:][real], atol=1e-5, rtol=0)
    attention = torch.stack(other.cross_attentions, dim=1)[..., 1:, :]
    torch.testing.assert_close(rows(maps.source)[real], rows(attention)[real])
    attention = torch.stack(other.decoder_attentions, dim=1)[..., 1:, :]
    attention = torch.cat([attention[..., :2].sum(-1, keepdim=True), attention[..., 2:]], dim=-1)
    torch.testing.assert_close(rows(maps.target)[real], rows(attention)[real])
    attention = torch.stack(other.encoder_attentions, dim=1)
    torch.testing.assert_close(rows(maps.encoder)[batch.src_mask], rows(attention)[batch.src_mask])


def rows(maps: torch.Tensor) -> torch.Tensor:
    """Maps with the axis of rows after that of the batch."""
    return maps.permute(0, 3, 1, 2, 4)


def test_text_is_segmented_and_written_as_by_transformers(
    adopt: Callable[[Path], Path], plain: Path, lines: dict[str, list[str]]
) -> None:
    tokenizers = Translator(adopt(plain), device="cpu").tokenizers
    tokenizer, _ = theirs(plain)
    texts = [*lines["en"][:20], *lines["de"][:20], *sentences(lines, 100)]
    texts += ["Ünknown wörds 漢字 &amp; ①", "a  b\tc", " ein große Hund ", "madeupword0000", "ﬁ ½"]
    ids = [tokenizer(text)["input_ids"] for text in texts]
    assert [[*row, EOS] for row in tokenizers.source.encode(texts)] == ids
    assert all(tokenizers.source.special.unk in row for row in ids[-5:-4])
    written = [tokenizer(text_target=text)["input_ids"] for text in texts]
    special = tokenizers.special
    assert [[special.bos, *row, EOS] for row in tokenizers.target.encode(texts)] == written
    other = tokenizer.get_lang_id("fr")
    for row in written:
        if special.unk not in row:
            mixed = [*row[:3], other, *row[3:]]
            assert tokenizers.target.decode(mixed) == tokenizer.decode(
                mixed, skip_special_tokens=True
            )
    for text in ("", "  "):  # translated as an empty text without asking the model
        assert tokenizers.source.encode([text]) == [[]]
        assert tokenizers.source.surfaces(text) == []
    assert tokenizers.source.surfaces("ein 漢")[0] == "__en__"
    assert tokenizers.source.unknown(["漢 ein"]) == {"漢": 1}


@pytest.mark.parametrize("beam", [1, 4])
def test_translations_are_those_of_transformers(
    adopt: Callable[[Path], Path], m2m100: Path, lines: dict[str, list[str]], beam: int
) -> None:
    """With a beam, the list of all hypotheses.

    Without a length penalty, since `transformers` counts the language token in the length.
    """
    translator = Translator(adopt(m2m100), device="cpu")
    tokenizer, model = theirs(m2m100)
    texts, special, longest = sentences(lines, 240 // beam), translator.model.special, 30
    output = model.generate(
        **tokenizer(texts, return_tensors="pt", padding=True),
        forced_bos_token_id=tokenizer.get_lang_id("de"),
        num_beams=beam,
        num_return_sequences=beam,
        do_sample=False,
        max_new_tokens=longest,
        length_penalty=0.0,
        early_stopping=False,
        bad_words_ids=[[special.pad], [special.bos]],  # what our search never predicts
    ).tolist()
    # One token of max_new_tokens is the language
    limits = {"max_length": longest - 1, "length_ratio": 99.0, "length_extra": 9}
    translator.search = Beam(beam=beam, length_penalty=0.0, **limits)
    target, ended = translator.tokenizers.target, 0
    for i, group in enumerate(translator.n_best(texts, beam)):
        for best, row in zip(group, output[i * beam :], strict=False):
            assert row[:2] == [EOS, special.bos]
            cut = EOS not in row[2:]
            pieces = target.pieces(row[2:] if cut else row[2 : row.index(EOS, 2)])
            if cut and beam > 1:  # at the limit, only our search adds the probability of `</s>`
                break
            assert best.target_pieces[: None if cut else -1] == [*pieces, *[END] * cut], i
            ended += not cut
    assert ended > 0.2 * len(output) and len({tuple(row) for row in output}) > 15


def test_an_adopted_run_is_evaluated_compared_and_drawn(
    adopt: Callable[[Path], Path],
    plain: Path,
    fit: Callable[..., Path],
    command: Callable[..., Any],
    few_resamples: None,
    tmp_path: Path,
) -> None:
    runs = [fit("transformer", name="ours"), adopt(plain)]
    for run in runs:
        write_gold(run / "hyps" / "test", diagonal(run / "hyps" / "test"))
        assert command("evaluate", run).status == 0
    info = json.loads((runs[1] / "run.json").read_text())
    assert info["adopted"]["kind"] == "m2m100"
    assert info["adopted"]["language_tokens"] == ["__en__", "__de__"]
    assert set(info["adopted"]["sha256"]) >= {"model.safetensors", VOCAB, SEGMENTER}
    assert info["multiply_adds_per_target_token"] > 0
    answer = command("compare", *runs, "--out", tmp_path / "report")
    assert answer.status == 0, answer.err
    report = (tmp_path / "report" / "report.md").read_text("utf-8")
    assert "m2m is an M2M100 model that another program trained" in report
    scores = json.loads((runs[1] / "scores.json").read_text())["test"]
    assert 0 <= scores["alignment"]["aer"] <= 100
    test, picture = ("--test", "test"), tmp_path / "heat.png"
    for asked in (
        ("align", runs[1], *test, "--lines", "1", "--out", picture),
        *(
            ("align", runs[1], *test, "--lines", "1", "--out", picture, "--method", method)
            for method in ("occlusion", "integrated_gradients", "alti")
        ),
        ("score-alignment", runs[1], *test),
    ):
        answer = command(*asked)
        assert answer.status == 0, (asked[0], answer.err)
    text = json.dumps({"run": 0, "text": "the cat sleeps"}).encode()
    assert Session([runs[1]], "cpu").answer("translate", text)["pieces"]
    for form in ("transformers", "ctranslate2"):
        if form == "ctranslate2":
            pytest.importorskip("ctranslate2", reason="ctranslate2 is not installed")
        out = tmp_path / form
        command("export", runs[1], "--to", form, "--out", out).must_refuse("positions=fairseq")


def test_an_export_to_onnx_says_which_language_tokens_it_needs(
    adopt: Callable[[Path], Path], plain: Path
) -> None:
    """`test_onnx.py` exports a Transformer with a prefix of the target."""
    translator = Translator(adopt(plain), device="cpu")
    described = description(translator, [])
    source, target = translator.tokenizers
    assert source.pieces(described["source_prefix"]) == ["__en__"]
    assert target.pieces([described["special"]["bos"]]) == ["__de__"]


def test_a_language_token_is_in_no_word() -> None:
    """Also if the text begins with the same letters."""
    pieces = ["__en__", "▁en", "▁a", "b", "</s>"]
    assert words(pieces) == ["en", "ab"]
    table = shares(pieces, ["en", "ab"])
    assert table.tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1]]


def test_other_codes_of_the_data_are_translated(
    plain: Path, command: Callable[..., Any], phrases: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for file in phrases.iterdir():
        shutil.copy(file, data / file.name.replace(".en", ".eng").replace(".de", ".deu"))
    asked = ["data=files", f"data.root={data}", "data.source=eng", "data.target=deu", "name=m2m"]
    command("adopt", "marian", plain, *asked).must_refuse("'eng'", "--source-language")
    first = [*asked, "--source-language", "en"]
    command("adopt", "marian", plain, *first).must_refuse("'deu'", "--target-language")
    command("adopt", "marian", plain, *first, "--target-language", "xx").must_refuse("'xx'")
    assert command("adopt", "marian", plain, *first, "--target-language", "de").status == 0
    info = json.loads(Path("runs/m2m/run.json").read_text())
    assert info["adopted"]["language_tokens"] == ["__en__", "__de__"]
    assert (info["data"]["source"], info["data"]["target"]) == ("eng", "deu")
    own = arguments(phrases, "--source-language", "fr")
    shutil.rmtree("runs")
    command("adopt", "marian", plain, *own).must_refuse("contradicts the data", "en")


def test_the_languages_of_wmt21_are_known(adopt: Callable[[Path], Path], changed: Path) -> None:
    rewritten(TOKENIZER, language_codes="wmt21", extra_special_tokens=None)(changed)
    source, target = Translator(adopt(changed), device="cpu").tokenizers
    tokenizer, _ = theirs(changed)
    assert [*source.prefix, target.special.bos] == list(map(tokenizer.get_lang_id, ("en", "de")))


def test_half_precision_and_copies_of_tied_weights_are_read(
    adopt: Callable[[Path], Path], plain: Path, changed: Path
) -> None:
    """As in files that older versions of `transformers` wrote."""
    new = load_file(adopt(plain) / "model.safetensors")
    shutil.rmtree("runs")
    weights(older)(changed)
    old = load_file(adopt(changed) / "model.safetensors")
    for name, tensor in new.items():
        torch.testing.assert_close(old[name], tensor, atol=2e-3, rtol=2e-3)


def older(tensors: dict[str, torch.Tensor]) -> None:
    for name in ("model.encoder.embed_tokens", "model.decoder.embed_tokens", "lm_head"):
        tensors[f"{name}.weight"] = tensors["model.shared.weight"].clone()
    table = torch.cat([torch.zeros(2, 16), fairseq_sinusoidal(torch.arange(300), 16)])
    for side in ("encoder", "decoder"):
        tensors[f"model.{side}.embed_positions.weights"] = table.clone()
    for name, tensor in tensors.items():
        tensors[name] = tensor.half()


def test_the_stored_table_is_that_of_the_formula() -> None:
    model = transformers.models.m2m_100.modeling_m2m_100
    table = model.M2M100SinusoidalPositionalEmbedding(30, 16, 1).weights
    torch.testing.assert_close(fairseq_sinusoidal(torch.arange(30), 16), table[2:])


def other_positions(tensors: dict[str, torch.Tensor]) -> None:
    tensors["model.encoder.embed_positions.weights"] = torch.zeros(30, 16)


def output_bias(tensors: dict[str, torch.Tensor]) -> None:
    tensors["final_logits_bias"] = torch.ones(1, len(tensors["model.shared.weight"]))


def no_final_norm(tensors: dict[str, torch.Tensor]) -> None:
    del tensors["model.decoder.layer_norm.weight"]


def no_end(folder: Path) -> None:
    ids = json.loads((folder / VOCAB).read_text("utf-8"))
    ids["<end>"] = ids.pop("</s>")
    (folder / VOCAB).write_text(json.dumps(ids), "utf-8")


def a_language_twice(folder: Path) -> None:
    ids = json.loads((folder / VOCAB).read_text("utf-8"))
    ids["__en__"] = ids.pop("madeupword0000")
    (folder / VOCAB).write_text(json.dumps(ids), "utf-8")


REFUSED: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no config": (without(CONFIG), "no config.json"),
    "untied": (rewritten(CONFIG, tie_word_embeddings=False), "tie_word_embeddings"),
    "padding": (rewritten(CONFIG, pad_token_id=0), "pad_token_id=1"),
    "activation": (rewritten(CONFIG, activation_function="tanh"), "activation_function"),
    "heads differ": (rewritten(CONFIG, decoder_attention_heads=2), "decoder_attention_heads=2"),
    "no size": (rewritten(CONFIG, d_model=None), "d_model"),
    "layers": (rewritten(CONFIG, decoder_layers=900), "3 layers of the decoder"),
    "vocabulary is larger": (rewritten(CONFIG, vocab_size=500), "does not fit config.json"),
    "vocabulary is huge": (rewritten(CONFIG, vocab_size=1 << 40), "vocab_size"),
    "vocabulary is smaller": (rewritten(CONFIG, vocab_size=120), "language tokens"),
    "several ends": (rewritten(CONFIG, eos_token_id=[0, 1]), "eos_token_id"),
    "another end": (rewritten(CONFIG, eos_token_id=5), "'</s>' the id 2"),
    "no start": (rewritten(CONFIG, decoder_start_token_id="x"), "decoder_start_token_id"),
    "start out of range": (rewritten(CONFIG, decoder_start_token_id=999), "target_prefix"),
    "NLLB": (rewritten(TOKENIZER, tokenizer_class="NllbTokenizer"), "NllbTokenizer"),
    "SMaLL-100": (rewritten(TOKENIZER, tokenizer_class="SMALL100Tokenizer"), "SMALL100Tokenizer"),
    "other languages": (rewritten(TOKENIZER, language_codes="wmt23"), "wmt23"),
    "wmt21 has no list": (rewritten(TOKENIZER, language_codes=["en"]), "language_codes"),
    "no target": (rewritten(TOKENIZER, unk_token="<none>"), "<none>"),
    "no end": (no_end, "'</s>'"),
    "a language twice": (a_language_twice, "'__en__' twice"),
    "no segmenter": (without(SEGMENTER), f"{SEGMENTER} is missing"),
    "no vocabulary": (without(VOCAB), "vocab.json is missing"),
    "segmenter is text": (lambda f: (f / SEGMENTER).write_text("x"), "SentencePiece"),
    "ids with a gap": (rewritten(VOCAB, madeupword0000=9999), "0, 1"),
    "pickles": (pickled, "pytorch_model.bin"),
    "several files": (in_parts, "max_shard_size"),
    "no weights": (without("model.safetensors"), "no model.safetensors"),
    "truncated": (truncated, "model.safetensors"),
    "NaN": (weights(nan), "NaN"),
    "positions": (weights(other_positions), "sinusoids"),
    "output bias": (weights(output_bias), "final_logits_bias"),
    "no final norm": (weights(no_final_norm), "model.decoder.layer_norm.weight"),
    "Marian": (rewritten(CONFIG, model_type="marian"), "source.spm"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_other_folders_are_refused_in_a_sentence(
    name: str, changed: Path, command: Callable[..., Any], phrases: Path
) -> None:
    change, message = REFUSED[name]
    change(changed)
    command("adopt", "marian", changed, *arguments(phrases)).must_refuse(message)
    assert not list(Path().glob("runs/*")) and not list(Path().glob("runs/.*"))


@pytest.mark.parametrize("ids", [5, [-1], [10**6], ["a"], [True], {"a": 1}])
@pytest.mark.parametrize("key", ["prefix", "silent"])
def test_damaged_lists_of_ids_in_a_run_are_refused(
    key: str, ids: object, adopt: Callable[[Path], Path], plain: Path
) -> None:
    run = adopt(plain)
    rewritten("source.vocabulary.json", **{key: ids})(run)
    with pytest.raises(Exception, match=f'under "{key}"'):
        Renumbered.load(run / "source.model")


def test_a_long_prefix_in_a_run_is_refused(
    adopt: Callable[[Path], Path], plain: Path, command: Callable[..., Any]
) -> None:
    run = adopt(plain)
    rewritten("source.vocabulary.json", prefix=[5] * 17)(run)
    command("translate", run, stdin="a\n").must_refuse("at most 16 ids")
