"""Translate text with a trained run."""
