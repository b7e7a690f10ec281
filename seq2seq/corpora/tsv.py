"""Tsv."""

from seq2seq.corpora.tables import Tsv

__all__ = ["Tsv"]
