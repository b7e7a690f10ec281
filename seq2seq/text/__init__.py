"""Tokenization, batching and language-specific handling of text."""
