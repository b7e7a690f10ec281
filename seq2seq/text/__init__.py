"""Text to pieces to batches."""
