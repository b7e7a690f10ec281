"""An estimate of the length of a training, from the time of its first updates."""

from dataclasses import dataclass

from seq2seq.training.optimizer import Budget

SECONDS = 10.0  # of training before the estimate
UPDATES = 5  # at least


@dataclass(frozen=True)
class Pace:
    """Work done in some seconds of training, without validation.

    Attributes:
        seconds: of training.
        steps: updates in this time.
        epochs: passes over the corpus in this time.
    """

    seconds: float
    steps: int
    epochs: float

    @property
    def is_enough(self) -> bool:
        """Whether an estimate is possible."""
        return self.steps >= UPDATES and self.seconds >= SECONDS

    def describe(self, budget: Budget) -> str:
        """Return one sentence: the time for the budget, or the epochs in its time.

        The limit that ends training first counts. Validations are not included.
        """
        minutes = {}
        if budget.steps is not None:
            count = f"{budget.steps:,} updates"
            minutes[count] = self.seconds / self.steps * budget.steps / 60
        if budget.epochs is not None and self.epochs:
            count = f"{budget.epochs:,} epochs" if budget.epochs != 1 else "1 epoch"
            minutes[count] = self.seconds / self.epochs * budget.epochs / 60
        shortest = min(minutes, key=minutes.__getitem__, default=None)
        if budget.minutes is not None and (shortest is None or minutes[shortest] > budget.minutes):
            done, unit = (self.epochs, "epochs") if self.epochs else (self.steps, "updates")
            count = f"{done / self.seconds * 60 * budget.minutes:,.1f} {unit}"
            return (
                f"speed: about {count} in train.max_minutes={budget.minutes:g} on "
                "this machine, less with validations"
            )
        if shortest is None:  # the length of an epoch of a stream is unknown
            return f"speed: about {self.steps / self.seconds * 60:,.0f} updates a minute"
        return (
            f"speed: about {duration(minutes[shortest])} on this machine for {shortest}, without "
            "validations"
        )


def duration(minutes: float) -> str:
    """Format a duration."""
    if minutes < 1.5:
        return f"{max(1, round(60 * minutes))} s"
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"
