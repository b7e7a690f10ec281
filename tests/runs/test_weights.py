"""Weights on disk, their average, and which checkpoints a training keeps."""

import pickle
import random
import shutil

import pytest
import torch
from torch import nn

from seq2seq.errors import UserError
from seq2seq.runs.weights import average, read_weights, save_weights, set_weights
from seq2seq.training.checkpoints import Checkpoints
from seq2seq.training.validation import Validation
from seq2seq.translation.translator import Translator


def filled(value: float) -> nn.Linear:
    model = nn.Linear(2, 3)
    for weight in model.parameters():
        nn.init.constant_(weight, value)
    return model


def test_what_is_saved_is_read(tmp_path):
    model, path = nn.Linear(2, 3), tmp_path / "new" / "model.safetensors"
    save_weights(model, path)
    torch.testing.assert_close(read_weights(path), dict(model.named_parameters()))
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_set_weights_copies_and_keeps_the_parameters(tmp_path):
    model = filled(0)
    before = list(map(id, model.parameters()))
    set_weights(model, dict(filled(3).named_parameters()), tmp_path)
    assert torch.equal(model.weight, filled(3).weight)
    assert list(map(id, model.parameters())) == before
    assert model.weight.requires_grad


def test_tied_weights_are_saved_once_and_stay_tied(tmp_path):
    def tied() -> nn.Sequential:
        model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
        model[1].weight = model[0].weight
        return model

    first, second, path = tied(), tied(), tmp_path / "model.safetensors"
    save_weights(first, path)
    tensors = read_weights(path)
    assert sorted(tensors) == ["0.bias", "0.weight", "1.bias"]
    set_weights(second, tensors, path)
    assert second[1].weight is second[0].weight
    assert torch.equal(second[1].weight, first[0].weight)


def test_the_average_is_the_mean_of_the_files(tmp_path):
    models = [nn.Linear(2, 3) for _ in range(3)]
    paths = [tmp_path / f"{i}.safetensors" for i in range(3)]
    for model, path in zip(models, paths, strict=True):
        save_weights(model, path)
    found = average(paths)
    for name in ("weight", "bias"):
        expected = torch.stack([getattr(model, name) for model in models]).mean(0)
        torch.testing.assert_close(found[name], expected.detach())
    torch.testing.assert_close(average(paths[:1]), read_weights(paths[0]))


def test_missing_weights_are_refused_by_name(tmp_path):
    with pytest.raises(UserError, match=r"the weights .*model\.safetensors are missing"):
        read_weights(tmp_path / "model.safetensors")


def whole_file(tmp_path) -> bytes:
    save_weights(nn.Linear(2, 3), tmp_path / "whole")
    return (tmp_path / "whole").read_bytes()


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: b"",
        lambda whole: b"garbage",
        lambda whole: b"\xff" * 100,
        lambda whole: whole[:5],
        lambda whole: whole[:20],
        lambda whole: whole[:-1],
        lambda whole: pickle.dumps({"weight": [0.0]}),
    ],
)
def test_a_damaged_file_is_refused_by_name(tmp_path, damage):
    path = tmp_path / "model.safetensors"
    path.write_bytes(damage(whole_file(tmp_path)))
    with pytest.raises(UserError, match=r"model\.safetensors cannot be read as safetensors"):
        read_weights(path)


def test_a_folder_is_no_file_of_weights(tmp_path):
    with pytest.raises(UserError, match="cannot be read as safetensors"):
        read_weights(tmp_path)


class Bomb:
    def __reduce__(self):
        return pytest.fail, ("a pickle was run",)


def test_a_pickle_by_another_name_is_refused_and_never_run(tmp_path):
    path = tmp_path / "model.safetensors"
    torch.save({"weight": Bomb()}, path)
    with pytest.raises(UserError, match="cannot be read as safetensors"):
        read_weights(path)


@pytest.mark.parametrize(
    ("names", "odd"), [(["weight"], "bias"), (["weight", "bias", "gate"], "gate")]
)
def test_a_parameter_on_one_side_only_is_refused_by_name(tmp_path, names, odd):
    tensors = {name: torch.zeros(3) for name in names}
    with pytest.raises(
        UserError, match=f"{tmp_path} does not fit the model: only one of them has '{odd}'"
    ):
        set_weights(nn.Linear(2, 3), tensors, tmp_path)


def test_another_shape_is_refused_with_both(tmp_path):
    tensors = {"weight": torch.zeros(3, 4), "bias": torch.zeros(3)}
    message = rf"{tmp_path} does not fit the model: weight is \[3, 4\], not \[3, 2\]"
    with pytest.raises(UserError, match=message):
        set_weights(nn.Linear(2, 3), tensors, tmp_path)


def keep(folder, scores, *, by="bleu", count=1, of="last") -> Checkpoints:
    """A training whose weights at each step are the number of the step."""
    checkpoints = Checkpoints(folder, by=by, count=count, of=of)
    for step, (loss, bleu) in enumerate(scores, 1):
        checkpoints.add(filled(step), Validation(step, loss, bleu))
        checkpoints.prune()  # as each save of the training's state does
    checkpoints.prune()
    return checkpoints


def steps_on_disk(folder) -> list[int]:
    return sorted(int(path.stem.removeprefix("step-")) for path in folder.glob("checkpoints/*"))


def value(tensors: dict[str, torch.Tensor]) -> float:
    return tensors["bias"].mean().item()


SCORES = [(4.0, 10.0), (3.0, 30.0), (2.0, 20.0), (2.5, 30.0), (5.0, 5.0)]


@pytest.mark.parametrize(("by", "best"), [("bleu", 4), ("loss", 3)])
def test_the_model_is_the_best_so_far(tmp_path, by, best):
    checkpoints = keep(tmp_path, SCORES, by=by)
    assert checkpoints.best.step == best
    assert value(read_weights(tmp_path / "model.safetensors")) == best


@pytest.mark.parametrize(("by", "in_vain"), [("bleu", 1), ("loss", 2)])
def test_validations_since_the_best_are_counted(tmp_path, by, in_vain):
    assert keep(tmp_path, SCORES, by=by).since_best == in_vain


def test_an_equal_is_no_better(tmp_path):
    checkpoints = keep(tmp_path, [(3.0, 10.0)] * 3)
    assert (checkpoints.best.step, checkpoints.since_best) == (1, 2)


def test_add_says_whether_it_was_the_best(tmp_path):
    checkpoints = Checkpoints(tmp_path, by="bleu", count=1, of="last")
    found = [
        checkpoints.add(filled(0), Validation(step, *scores)) for step, scores in enumerate(SCORES)
    ]
    assert found == [True, True, False, True, False]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_last_checkpoints_stay_on_disk_and_no_others(tmp_path, count):
    checkpoints = keep(tmp_path, SCORES, count=count)
    expected = list(range(6 - count, 6))
    assert steps_on_disk(tmp_path) == sorted({*expected, 4})  # the best
    assert value(checkpoints.averaged()) == pytest.approx(sum(expected) / count)


def test_checkpoints_of_every_so_many_updates_stay_on_disk(tmp_path):
    checkpoints = Checkpoints(tmp_path, by="bleu", count=1, of="last", every=4)
    assert [step for step in range(1, 9) if checkpoints.due(step)] == [4, 8]
    for step in range(1, 10):
        if checkpoints.due(step):
            checkpoints.keep(filled(step), step)
        if step % 3 == 0:
            checkpoints.add(filled(step), Validation(step, 10.0 - step, float(step)))
            checkpoints.prune()
    checkpoints.prune()
    assert steps_on_disk(tmp_path) == [4, 8, 9]
    assert value(read_weights(checkpoints.path_of(4))) == 4
    assert not Checkpoints(tmp_path, by="bleu", count=1, of="last").due(4)


def test_what_the_save_before_needs_stays_on_disk(tmp_path):
    checkpoints = keep(tmp_path, SCORES[:4], count=2)
    assert steps_on_disk(tmp_path) == [3, 4]
    checkpoints.add(filled(5), Validation(5, *SCORES[4]))
    assert steps_on_disk(tmp_path) == [3, 4, 5]  # nothing is deleted before there is a new save
    checkpoints.prune()
    assert steps_on_disk(tmp_path) == [3, 4, 5]
    checkpoints.prune()
    assert steps_on_disk(tmp_path) == [4, 5]


@pytest.mark.parametrize("by", ["bleu", "loss"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_best_checkpoints_and_the_newest_stay_on_disk_and_no_others(tmp_path, by, count):
    draw = random.Random(count)
    scores = [(draw.uniform(1, 5), draw.uniform(0, 40)) for _ in range(12)]
    checkpoints = keep(tmp_path, scores, by=by, count=count, of="best")

    def worth(step: int) -> float:
        loss, bleu = scores[step - 1]
        return bleu if by == "bleu" else -loss

    best = sorted(range(1, 13), key=worth)[-count:]
    assert steps_on_disk(tmp_path) == sorted({*best, 12})
    assert value(checkpoints.averaged()) == pytest.approx(sum(best) / count)


def test_fewer_checkpoints_than_asked_for_are_all_averaged(tmp_path):
    assert value(keep(tmp_path, SCORES[:2], count=9).averaged()) == 1.5


def test_a_tokenizer_of_another_run_is_refused(fit, tmp_path):
    """Its pieces have other ids, so the model would read and write other words."""
    size = "tokenizer.vocab_size=60"
    run = fit("rnn", size, "train.max_steps=2")
    other = fit("rnn", size, "train.max_steps=1", "tokenizer.kind=unigram", name="other")
    for name in ("tokenizer.model", "source.model"):
        shutil.copy(other / name, run / name)
    with pytest.raises(UserError, match=r"source tokenizer in .* is not the one"):
        Translator(run, device="cpu")
    with pytest.raises(UserError, match=r"source tokenizer in .* is not the one"):
        fit("rnn", size, "train.max_steps=4")
