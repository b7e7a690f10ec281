"""From a corpus to the first batch, as `seq2seq train` goes about it: seconds, lines and memory.

    python measure.py NAME OUT.json KEY=VALUE...

The first use of a cache prepares the corpus; the next one finds it prepared. Seconds count from the
start of the process, imports included.
"""

import os
import resource
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from seq2seq.runs.untrusted import read_json
from seq2seq.settings import train_arguments
from seq2seq.settings.plugins import build
from seq2seq.system import devices, provenance
from seq2seq.system.files import write_json
from seq2seq.training.examples import held_out_texts, learn_tokenizers, print_overlap
from seq2seq.training.learner import Learner

FOUND = {"stages": {}}


def age():
    """Seconds since this process began."""
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


@contextmanager
def stage(name):
    """Note what passes inside: seconds, seconds of all cores, and the peak of memory so far."""
    seconds, cores = age(), time.process_time()
    yield
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    FOUND["stages"][name] = {
        "seconds": age() - seconds,
        "cpu_seconds": time.process_time() - cores,
        "peak_mib": peak,
    }
    print(name, FOUND["stages"][name], file=sys.stderr, flush=True)


FOUND["stages"]["imports"] = {"seconds": age(), "cpu_seconds": time.process_time()}
name, out, words = sys.argv[1], Path(sys.argv[2]), sys.argv[3:]
config = train_arguments.config([f"name={name}", *words])
with stage("devices"):
    fabric = devices.fabric(config.trainer)
    corpus = build("data", config.data)
with stage("reading"):
    text = corpus.text("train")
with stage("vocabulary"):
    tokenizers = learn_tokenizers(corpus, config.tokenizer)
with stage("tokens, order, model"):
    learner = Learner(fabric, config, corpus, tokenizers)
with stage("facts"):
    learner.facts()
with stage("overlap"):
    print_overlap(text, held_out_texts(corpus))
learner.set_up()
with stage("first batch"):
    learner.draw(0.0, 0)
FOUND |= {"pairs": len(text), "seconds": age(), "cpu_seconds": time.process_time()}
FOUND["lines_per_second"] = 2 * len(text) / FOUND["seconds"]
with stage("1,000 batches"):
    for step in range(1, 1001):
        learner.draw(0.0, step)
FOUND["load"] = os.getloadavg()[0]
known = read_json(out) if out.exists() else {}
write_json(out, {**known, name: {**FOUND, **provenance.environment()}})
