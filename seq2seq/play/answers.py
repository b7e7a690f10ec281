"""Answers to the page: translations with their n-best list, and what else a token could be."""

import time
from typing import Any

import torch

from seq2seq.errors import UserError
from seq2seq.play.asked import Alternatives, OfSentence, Translate
from seq2seq.play.limits import ALTERNATIVES, PIECES, check_pieces, checked_text
from seq2seq.play.loaded import LoadedRun
from seq2seq.play.maps import searched_map, token_starts
from seq2seq.scoring.metrics import sentence_chrf
from seq2seq.text.batching import Batch, collate
from seq2seq.text.words import WORD_START
from seq2seq.translation.translation import Translation
from seq2seq.translation.translator import Translator, translate


def translated(run: LoadedRun, asked: Translate) -> dict[str, Any]:
    """Return the translations of a sentence, and the map of the best one.

    Raises:
        UserError: the sentence or the prefix cannot be used, or the model has diverged.
    """
    text = checked_text(asked.text)
    translator = run.reader(asked, text)
    prefix = checked_tokens(run, asked.prefix) if asked.prefix else None
    if prefix and not run.continues_prefix:
        raise UserError(
            f"{run.name} predicts all words of a translation at once, so no word can be given"
        )
    search, count = run.search(asked.beam)
    started = time.perf_counter()
    (found,) = translate(
        translator.model,
        translator.tokenizers,
        search,
        [text],
        n_best=count,
        attention=True,
        prefixes=None if prefix is None else [prefix],
    )
    seconds = time.perf_counter() - started
    best = found[0]
    answer = {
        "text": best.text,
        "seconds": seconds,
        "cut": best.cut,
        "given": len(asked.prefix),
        "best": [
            {"text": one.text, "score": one.score, "log_probability": one.log_probability}
            for one in found
        ],
        "tokens": tokens_of(run, best),
        "pieces": best.target_pieces,
        "starts": token_starts(translator, best),
        **searched_map(run, translator, best, asked),
    }
    if asked.reference is not None:
        answer["chrf"] = sentence_chrf(best.text, checked_text(asked.reference, "reference"))
    return answer


def tokens_of(run: LoadedRun, translation: Translation) -> list[int]:
    """Return the ids of the pieces of a translation, without EOS."""
    return [run.ids[piece] for piece in translation.target_pieces[:-1]]


def checked_tokens(run: LoadedRun, tokens: list[int]) -> list[int]:
    """Return given target tokens.

    Raises:
        UserError: there are too many, or one is not in the vocabulary or is no token of a text.
    """
    check_pieces(len(tokens), "translation")
    special = run.model.special
    known = len(run.translator.tokenizers.target)
    for place, token in enumerate(tokens):
        if token >= known or token in (special.pad, special.bos):
            raise UserError(f"the token {token} is not one of the {known:,} of this vocabulary")
        if token == special.eos and place < len(tokens) - 1:
            raise UserError("the end of a sentence can only be the last token")
    return tokens


def forced_batch(translator: Translator, text: str, tokens: list[int]) -> Batch:
    """Return a batch of one sentence with given target tokens."""
    (source,) = translator.tokenizers.source.encode([text])
    device = next(translator.model.parameters()).device
    return collate([(source, tokens)], translator.model.special).to(device)


def place_of(asked: Alternatives, run: LoadedRun) -> tuple[list[int], int]:
    """Return the tokens and the place of a request.

    Raises:
        UserError: the tokens cannot be used, or there is no such place.
    """
    tokens = [token for token in asked.tokens if token != run.model.special.eos]
    if asked.place > len(tokens):
        raise UserError(
            f"there is no place {asked.place}: the translation has {len(tokens)} tokens"
        )
    return checked_tokens(run, tokens), asked.place


@torch.inference_mode()
def alternatives(run: LoadedRun, asked: Alternatives) -> dict[str, Any]:
    """Return the likeliest tokens at a place of a translation, with the words that they begin.

    The probabilities are those of the model given the tokens before (autoregressive), or all others
    (masked). A piece that does not end a word is completed by greedy search.
    """
    text = checked_text(asked.text)
    translator, (tokens, place) = run.reader(asked, text), place_of(asked, run)
    model = translator.model
    batch = forced_batch(translator, text, tokens)
    states = model.hidden(
        batch.tgt_in, model.encode(batch.src, batch.src_mask), weights=False
    ).states
    log_p = model.project(states[:, place]).float().log_softmax(-1)[0]
    if not log_p.isfinite().any():
        raise UserError("the scores of the model are NaN or infinite: its training has diverged")
    never = [model.special.pad, model.special.bos]
    if not run.continues_prefix:
        never.append(model.special.eos)  # the length is chosen before the tokens
    log_p[never] = float("-inf")
    ranked = log_p.argsort(descending=True, stable=True)[:ALTERNATIVES]
    ids = [int(i) for i in ranked if log_p[i].isfinite()]
    pieces = run.translator.tokenizers.target.pieces(ids)
    rests = continuations(run, translator, asked, [[*tokens[:place], token] for token in ids])
    taken = tokens[place] if place < len(tokens) else model.special.eos
    return {
        "place": place,
        "taken": taken,
        "taken_probability": float(log_p[taken].exp()),
        "given": tokens[:place],
        "alternatives": [
            {"token": token, "piece": piece, "rest": rest, "probability": float(log_p[token].exp())}
            for token, piece, rest in zip(ids, pieces, rests, strict=True)
        ],
        "can_choose": run.continues_prefix,
    }


def continuations(
    run: LoadedRun, translator: Translator, asked: OfSentence, prefixes: list[list[int]]
) -> list[str]:
    """Return the rest of the word that the last token of each prefix begins, by greedy search."""
    special = run.model.special
    if not run.continues_prefix:
        return [""] * len(prefixes)
    room = [i for i, one in enumerate(prefixes) if len(one) < PIECES and one[-1] != special.eos]
    rests = [""] * len(prefixes)
    if not room:
        return rests
    search, _ = run.search(1)
    text = checked_text(asked.text)
    found = translate(
        translator.model,
        translator.tokenizers,
        search,
        [text] * len(room),
        prefixes=[prefixes[i] for i in room],
    )
    for i, (best, *_) in zip(room, found, strict=True):
        rest = "".join(best.target_pieces[len(prefixes[i]) : -1])
        rests[i] = rest.split(WORD_START)[0]
    return rests
