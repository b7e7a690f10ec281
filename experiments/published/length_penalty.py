"""BLEU of tokens by length penalty, on the validation set and the test sets.

python experiments/published/length_penalty.py OUT.json RUN...: of runs on lowercased and tokenized
text. OUT.json has the score and the brevity penalty by run, set and length penalty.
"""

import sys
from dataclasses import replace
from pathlib import Path

import sacrebleu

from seq2seq import Translator
from seq2seq.search.beam import Beam
from seq2seq.system.exit_status import reporting_user_errors
from seq2seq.system.files import read_lines_checked, write_json

PENALTIES = (0.6, 1.0, 1.2, 1.4, 1.6)


def main(out: Path, runs: list[Path]) -> None:
    """Translate with each length penalty, and write the scores."""
    results: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    for run in runs:
        translator = Translator(run)
        search = translator.search
        assert isinstance(search, Beam)
        for folder in sorted(path.parent for path in run.glob("hyps/*/source.txt")):
            source, reference = (
                read_lines_checked(folder / f"{side}.txt") for side in ("source", "reference")
            )
            scores = results.setdefault(run.name, {}).setdefault(folder.name, {})
            for penalty in PENALTIES:
                translator.search = replace(search, length_penalty=penalty)
                found = [one.text for one in translator(source)]
                bleu = sacrebleu.corpus_bleu(found, [reference], tokenize="none", force=True)
                scores[str(penalty)] = {"bleu": round(bleu.score, 2), "brevity": round(bleu.bp, 3)}
                print(run.name, folder.name, penalty, scores[str(penalty)], flush=True)
            write_json(out, results)


if __name__ == "__main__":
    with reporting_user_errors():
        main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
