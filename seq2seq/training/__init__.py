"""Training: the loop, one update, validation, checkpoints, saved state and logs."""
