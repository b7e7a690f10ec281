"""Training: the loop, optimizer updates, validation, checkpoints, saved state and logs."""
