"""Jsonl."""

from seq2seq.corpora.tables import Jsonl

__all__ = ["Jsonl"]
