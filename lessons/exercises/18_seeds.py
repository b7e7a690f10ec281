"""Exercise 18: the score of a system that was trained with several random seeds.

    summary(scores) -> score, deviation

What is compared is what a training can be expected to give: a number that estimates the same
quantity however many seeds there are, and the sample standard deviation over the seeds, which shows
how far a single training may be from it (None for one seed).

scores is a list of BLEU scores, one for each seed.

The file runs, and is wrong in one way.
"""

import random
import statistics


def summary(scores):
    """Return the score of a system, and its deviation over the seeds."""
    deviation = statistics.stdev(scores) if len(scores) > 1 else None
    return max(scores), deviation


def report(systems):
    """Print a table of several systems."""
    for name, scores in systems.items():
        score, deviation = summary(scores)
        spread = "" if deviation is None else f" ± {deviation:.1f}"
        print(f"{name:24} {score:.1f}{spread}")


if __name__ == "__main__":
    random.seed(2)
    trainings = [random.gauss(30, 1) for _ in range(40)]  # all of one and the same system
    report({"ours, 20 seeds": trainings[:20], "the same again, 2 seeds": trainings[20:22]})
    wins = 0
    for _ in range(1000):
        random.shuffle(trainings)
        wins += summary(trainings[:20])[0] > summary(trainings[20:22])[0]
    print(f"20 seeds have a higher score than 2 seeds in {wins / 10:.0f} % of 1,000 draws")
