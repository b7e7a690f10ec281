"""`seq2seq adopt marian`: the run computes what `transformers` computes, and is like other runs."""

import json
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
from marian_model import EOS, write_marian
from safetensors.torch import load_file

from seq2seq import Translator
from seq2seq.alignment.gold import write_gold
from seq2seq.layers.positions import sinusoidal
from seq2seq.play.session import Session
from seq2seq.text.batching import collate

transformers = pytest.importorskip("transformers", reason="transformers is not installed")
KINDS: dict[str, dict[str, Any]] = {
    "swish": {},
    "relu, not scaled": {"activation_function": "relu", "scale_embedding": False},
    "gelu, two vocabularies": {"activation_function": "gelu", "separate": True},
    "two, not scaled": {"separate": True, "scale_embedding": False},
}


@pytest.fixture
def lines(phrases: Path) -> dict[str, list[str]]:
    return {
        side: (phrases / f"train.{side}").read_text("utf-8").splitlines() for side in ("en", "de")
    }


@pytest.fixture
def marian(tmp_path: Path, lines: dict[str, list[str]]) -> Callable[..., Path]:
    def make(**keys: Any) -> Path:
        return write_marian(tmp_path / "marian", lines["en"], lines["de"], **keys)

    return make


@pytest.fixture
def adopted(
    command: Callable[..., Any], phrases: Path, marian: Callable[..., Path]
) -> Callable[..., Path]:
    """Make a model and adopt it; the run folder."""

    def adopt(**keys: Any) -> Path:
        answer = command("adopt", "marian", marian(**keys), *words(phrases))
        assert answer.status == 0, answer.err
        return Path("runs/opus").absolute()

    return adopt


def words(phrases: Path, *more: str) -> list[str]:
    corpus = ["data=files", f"data.root={phrases}", "data.source=en", "data.target=de"]
    return ["name=opus", *corpus, *more]


@pytest.mark.parametrize("keys", KINDS.values(), ids=KINDS)
def test_logits_and_attention_are_those_of_transformers(
    adopted: Callable[..., Path], lines: dict[str, list[str]], keys: dict[str, Any], tmp_path: Path
) -> None:
    translator = Translator(adopted(**keys), device="cpu")
    theirs = transformers.MarianMTModel.from_pretrained(
        tmp_path / "marian", attn_implementation="eager"
    ).eval()
    source, target = translator.tokenizers
    pairs = list(zip(source.encode(lines["en"][:9]), target.encode(lines["de"][:9]), strict=True))
    batch = collate(pairs, translator.model.special)
    with torch.inference_mode():
        ours, maps = translator.model(batch), translator.model.maps(batch)
        other = theirs(
            input_ids=batch.src,
            attention_mask=batch.src_mask.long(),
            decoder_input_ids=batch.tgt_in,
            output_attentions=True,
        )
    real = batch.tgt_out != batch.pad
    assert ours.logits.std() > 0.5
    torch.testing.assert_close(ours.logits[real], other.logits[real], atol=1e-4, rtol=0)
    attention = torch.stack(other.cross_attentions, dim=1).permute(0, 3, 1, 2, 4)[real]
    torch.testing.assert_close(maps.source.permute(0, 3, 1, 2, 4)[real], attention)


def test_half_precision_and_copies_of_tied_weights_are_read(
    marian_copy: Path, command: Callable[..., Any], phrases: Path
) -> None:
    """As in files that older versions of `transformers` wrote."""
    assert command("adopt", "marian", marian_copy, *words(phrases)).status == 0
    weights(older)(marian_copy)
    more = words(phrases, "name=older")[1:]
    answer = command("adopt", "marian", marian_copy, *more)
    assert answer.status == 0, answer.err
    new, old = (load_file(f"runs/{name}/model.safetensors") for name in ("opus", "older"))
    for name, tensor in new.items():
        torch.testing.assert_close(old[name], tensor, atol=2e-3, rtol=2e-3)


@pytest.mark.parametrize("separate", [False, True])
def test_text_is_segmented_and_written_as_by_transformers(
    adopted: Callable[..., Path], lines: dict[str, list[str]], separate: bool, tmp_path: Path
) -> None:
    tokenizers = Translator(adopted(separate=separate), device="cpu").tokenizers
    theirs = transformers.MarianTokenizer.from_pretrained(tmp_path / "marian")
    known = [*lines["en"][:20], *lines["de"][:20]]
    texts = [
        *known,
        "",
        "Ünknown wörds 漢字 &amp; ①",
        "a  b\tc",
        "ein große Hund",
    ]
    ids = [theirs(text)["input_ids"][:-1] for text in texts]
    assert tokenizers.source.encode(texts) == ids
    assert tokenizers.source.special.unk in {one for row in ids for one in row}
    ids = [theirs(text_target=text)["input_ids"][:-1] for text in texts]
    assert tokenizers.target.encode(texts) == ids
    for row in ids:
        if tokenizers.special.unk not in row:
            assert tokenizers.target.decode([*row, EOS]) == theirs.decode(
                [*row, EOS], skip_special_tokens=True
            )
    assert tokenizers.target.unknown(["漢 ein"]) == {"漢": 1}


@pytest.mark.parametrize("keys", KINDS.values(), ids=KINDS)
def test_greedy_translations_are_those_of_transformers(
    adopted: Callable[..., Path], lines: dict[str, list[str]], keys: dict[str, Any], tmp_path: Path
) -> None:
    run = adopted(end=1.0, **keys)
    translator = Translator(run, beam=1, device="cpu")
    tokenizer = transformers.MarianTokenizer.from_pretrained(tmp_path / "marian")
    model = transformers.MarianMTModel.from_pretrained(tmp_path / "marian")
    pad = translator.model.special.pad
    texts = lines["en"][:20]
    output = model.generate(
        **tokenizer(texts, return_tensors="pt", padding=True),
        num_beams=1,
        do_sample=False,
        max_new_tokens=12,
        bad_words_ids=[[pad]],
    )
    theirs = [tokenizer.convert_ids_to_tokens(row) for row in output[:, 1:].tolist()]
    ours = [best.target_pieces for best in translator(texts)]
    for mine, row in zip(ours, theirs, strict=True):
        length = min(len(row), len(mine))
        assert mine[:length] == row[:length]
    assert len({tuple(row) for row in theirs}) > 2


def test_an_adopted_run_is_evaluated_compared_and_drawn(
    adopted: Callable[..., Path],
    fit: Callable[..., Path],
    command: Callable[..., Any],
    few_resamples: None,
    tmp_path: Path,
) -> None:
    runs = [fit("transformer", name="ours"), adopted(end=4.0)]
    for run in runs:
        write_gold(run / "hyps" / "test", diagonal(run / "hyps" / "test"))
        assert command("evaluate", run).status == 0
    info = json.loads((runs[1] / "run.json").read_text())
    assert info["adopted"]["license"] == "cc-by-4.0"
    assert set(info["adopted"]["sha256"]) >= {"model.safetensors", "vocab.json", "source.spm"}
    answer = command("compare", *runs, "--out", tmp_path / "report")
    assert answer.status == 0, answer.err
    report = (tmp_path / "report" / "report.md").read_text("utf-8")
    assert "opus is a Marian model that another program trained" in report
    assert "other text" in report and "cc-by-4.0" in report
    scores = json.loads((runs[1] / "scores.json").read_text())["test"]
    assert 0 <= scores["alignment"]["aer"] <= 100
    for words in (
        ("align", runs[1], "--test", "test", "--lines", "1", "--out", tmp_path / "heat.png"),
        ("score-alignment", runs[1], "--test", "test"),
        ("heads", runs[1], "--test", "test"),
        ("plot", "runs", *runs, "--test", "test", "--line", "1", "--out", tmp_path / "two.png"),
        ("export", runs[1], "--to", "transformers", "--out", tmp_path / "back"),
    ):
        answer = command(*words)
        assert answer.status == 0, (words[0], answer.err)
    asked = json.dumps({"run": 0, "text": "the cat sleeps"}).encode()
    assert Session([runs[1]], "cpu").answer("translate", asked)["pieces"]


def test_our_own_export_comes_back(
    fit: Callable[..., Path], command: Callable[..., Any], phrases: Path, tmp_path: Path
) -> None:
    """Also a first input of the decoder that is not padding, as in our own models."""
    keys = ("model.norm=post", "tokenizer.shared=true", "train.max_steps=20")
    run = fit("transformer", *keys, name="ours")
    assert command("export", run, "--to", "transformers", "--out", "out").status == 0
    answer = command("adopt", "marian", "out", *words(phrases))
    assert answer.status == 0, answer.err
    text = (phrases / "test.en").read_text("utf-8").splitlines()
    # Greedily, because the export gives no probability to padding and <s>, ours a little.
    ours, back = (Translator(one, beam=1, device="cpu") for one in (run, "runs/opus"))
    found = [[one.text for one in translator(text)] for translator in (ours, back)]
    assert found[0] == found[1]
    assert any(found[0])


def test_an_adopted_run_is_not_trained(
    adopted: Callable[..., Path], command: Callable[..., Any], phrases: Path
) -> None:
    run = adopted()
    before = (run / "model.safetensors").read_bytes()
    for more in ((), ("resume=force",), ("model=transformer", "resume=force")):
        command("train", *words(phrases, *more)).must_refuse("another program", "name=")
    assert (run / "model.safetensors").read_bytes() == before
    assert not (run / "state").exists()


def test_a_model_card_says_who_trained_it(
    adopted: Callable[..., Path], command: Callable[..., Any], tmp_path: Path
) -> None:
    options = ("--license", "cc-by-4.0", "--no-texts", "--dry-run", tmp_path / "card")
    answer = command("push", adopted(), "me/opus", *options)
    assert answer.status == 0, answer.err
    card = (tmp_path / "card" / "README.md").read_text("utf-8")
    assert "another program" in card and "trained with seq2seq-toolkit" not in card
    assert (tmp_path / "card" / "tokenizer.vocabulary.json").is_file()


def several_languages(folder: Path) -> None:
    ids = json.loads((folder / VOCAB).read_text("utf-8"))
    ids[">>fr<<"] = ids.pop(next(piece for piece, number in ids.items() if number == 20))
    (folder / VOCAB).write_text(json.dumps(ids), "utf-8")


def older(tensors: dict[str, torch.Tensor]) -> None:
    for name in ("encoder.embed_tokens", "decoder.embed_tokens"):
        tensors[f"model.{name}.weight"] = tensors["model.shared.weight"].clone()
    tensors["lm_head.weight"] = tensors["model.shared.weight"].clone()
    table = sinusoidal(torch.arange(300), 16)
    for side in ("encoder", "decoder"):
        tensors[f"model.{side}.embed_positions.weight"] = torch.cat(
            [table[:, 0::2], table[:, 1::2]], dim=1
        )
    for name, tensor in tensors.items():
        tensors[name] = tensor.half()


def other_output(tensors: dict[str, torch.Tensor]) -> None:
    tensors["lm_head.weight"] = tensors["model.shared.weight"] + 1


def other_positions(tensors: dict[str, torch.Tensor]) -> None:
    tensors["model.encoder.embed_positions.weight"] = torch.zeros(30, 16)


def one_more(tensors: dict[str, torch.Tensor]) -> None:
    tensors["model.encoder.layernorm_embedding.weight"] = torch.ones(16)


def one_less(tensors: dict[str, torch.Tensor]) -> None:
    del tensors["model.decoder.layers.2.encoder_attn.q_proj.bias"]


CONFIG, TOKENIZER, VOCAB = "config.json", "tokenizer_config.json", "vocab.json"
REFUSED: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no folder": (shutil.rmtree, "there is no folder"),
    "no config": (without(CONFIG), "no config.json"),
    "T5": (rewritten(CONFIG, model_type="t5"), "'t5'"),
    "M2M100": (rewritten(CONFIG, model_type="m2m_100"), "pad_token_id"),
    "no type": (rewritten(CONFIG, model_type=None), "no model_type"),
    "pre-norm": (rewritten(CONFIG, normalize_before=True), "normalize_before"),
    "untied": (rewritten(CONFIG, tie_word_embeddings=False), "tie_word_embeddings"),
    "activation": (rewritten(CONFIG, activation_function="tanh"), "activation_function"),
    "heads differ": (rewritten(CONFIG, decoder_attention_heads=2), "decoder_attention_heads=2"),
    "heads do not divide": (
        rewritten(CONFIG, encoder_attention_heads=5, decoder_attention_heads=5),
        "heads=5",
    ),
    "no size": (rewritten(CONFIG, d_model=None), "d_model"),
    "size is text": (rewritten(CONFIG, d_model="16"), "d_model"),
    "size is huge": (rewritten(CONFIG, d_model=1 << 14), "does not fit config.json"),
    "layers": (rewritten(CONFIG, decoder_layers=900), "3 layers of the decoder"),
    "vocabulary size": (rewritten(CONFIG, vocab_size=1000), "config.json says 1,000"),
    "pad out of range": (rewritten(CONFIG, pad_token_id=5000), "pad"),
    "several ends": (rewritten(CONFIG, eos_token_id=[0, 1]), "eos_token_id"),
    "config is a list": (lambda f: (f / CONFIG).write_text("[]"), "config.json"),
    "config is damaged": (lambda f: (f / CONFIG).write_text("{"), "config.json"),
    "pickles": (pickled, "pytorch_model.bin"),
    "several files": (in_parts, "max_shard_size"),
    "several languages": (several_languages, ">>fr<<"),
    "no weights": (without("model.safetensors"), "no model.safetensors"),
    "truncated": (truncated, "model.safetensors"),
    "no source.spm": (without("source.spm"), "source.spm is missing"),
    "no target.spm": (without("target.spm"), "target.spm is missing"),
    "no vocab.json": (without(VOCAB), "vocab.json is missing"),
    "source.spm is text": (lambda f: (f / "source.spm").write_text("x"), "SentencePiece"),
    "ids with a gap": (rewritten(VOCAB, **{"<pad>": 9999}), "0, 1"),
    "id is text": (rewritten(VOCAB, **{"<pad>": "9"}), "0, 1"),
    "one more piece": (rewritten(VOCAB, more=10**9), "0, 1"),
    "no <unk>": (rewritten(TOKENIZER, unk_token="<none>"), "<none>"),
    "two vocabularies": (rewritten(TOKENIZER, separate_vocabs=True), "separate_vocabs"),
    "other languages": (rewritten(TOKENIZER, source_lang="de", target_lang="en"), "de to en"),
    "output differs": (weights(other_output), "lm_head.weight differ"),
    "NaN": (weights(nan), "NaN"),
    "positions": (weights(other_positions), "sinusoids"),
    "unknown weight": (weights(one_more), "layernorm_embedding"),
    "missing weight": (weights(one_less), "q_proj.bias"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_other_folders_are_refused_in_a_sentence(
    name: str,
    marian_copy: Path,
    command: Callable[..., Any],
    phrases: Path,
) -> None:
    change, message = REFUSED[name]
    change(marian_copy)
    command("adopt", "marian", marian_copy, *words(phrases)).must_refuse(message)
    assert not list(Path().glob("runs/*")) and not list(Path().glob("runs/.*"))


@pytest.fixture(scope="session")
def marian_once(tmp_path_factory: pytest.TempPathFactory, phrases: Path) -> Path:
    text = [(phrases / f"train.{side}").read_text("utf-8").splitlines() for side in ("en", "de")]
    return write_marian(tmp_path_factory.mktemp("marian") / "model", *text)


@pytest.fixture
def marian_copy(marian_once: Path, tmp_path: Path) -> Path:
    return shutil.copytree(marian_once, tmp_path / "model")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["train.max_steps=3"], "train.max_steps=3"),
        (["model=rnn"], "model=rnn"),
        (["seed=2"], "seed=2"),
        (["fresh=true"], "fresh=true"),
        (["search=mask_predict"], "mask_predict"),
        (["data.sauce=en"], "data.sauce"),
        (["--config-dir", "nowhere"], "--config-dir nowhere"),
        (["name=a/b"], "name="),
        (["--source-language", "en"], "--source-language en has no effect"),
    ],
)
def test_arguments_without_effect_are_refused(
    more: list[str], message: str, marian_copy: Path, command: Callable[..., Any], phrases: Path
) -> None:
    command("adopt", "marian", marian_copy, *words(phrases, *more)).must_refuse(message)


def test_a_name_is_needed_and_no_run_is_overwritten(
    marian_copy: Path, command: Callable[..., Any], phrases: Path
) -> None:
    command("adopt", "marian", marian_copy, *words(phrases)[1:]).must_refuse("name=opus")
    assert command("adopt", "marian", marian_copy, *words(phrases)).status == 0
    command("adopt", "marian", marian_copy, *words(phrases)).must_refuse("exists already")


DAMAGED: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "twice": (lambda one: one["pieces"].append(one["pieces"][5]), "twice"),
    "empty": (lambda one: one["pieces"].append(""), "empty piece"),
    "number": (lambda one: one["pieces"].append(5), "list of pieces"),
    "no special": (lambda one: one.pop("special"), "special"),
    "out of range": (lambda one: one["special"].update(eos=10**6), "eos"),
    "same": (lambda one: one["special"].update(eos=one["special"]["pad"]), "differ"),
    "truth": (lambda one: one["special"].update(eos=True), "eos"),
    "other": (lambda one: one["pieces"].reverse(), "same pieces"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_vocabulary_of_a_run_is_refused(
    name: str, marian_copy: Path, command: Callable[..., Any], phrases: Path
) -> None:
    assert command("adopt", "marian", marian_copy, *words(phrases)).status == 0
    change, message = DAMAGED[name]
    file = Path("runs/opus/source.vocabulary.json")
    content = json.loads(file.read_text("utf-8"))
    change(content)
    file.write_text(json.dumps(content), "utf-8")
    command("translate", "runs/opus", stdin="a\n").must_refuse(message)
    file.unlink()
    command("translate", "runs/opus", stdin="a\n").must_refuse("vocabulary")
