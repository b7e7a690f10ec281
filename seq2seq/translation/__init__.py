"""Text to translations with a trained run."""
