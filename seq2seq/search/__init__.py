"""Search for translations: beam search (greedy search is a beam of size one) and sampling."""

from seq2seq.search.base import Hypothesis, Search
from seq2seq.search.beam import Beam
from seq2seq.search.sample import Sample

__all__ = ["Beam", "Hypothesis", "Sample", "Search"]
