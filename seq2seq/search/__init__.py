"""Finding translations: beam search, of which greedy search is the beam of one, and sampling."""

from seq2seq.search.base import Hypothesis, Search
from seq2seq.search.beam import Beam
from seq2seq.search.sample import Sample

__all__ = ["Beam", "Hypothesis", "Sample", "Search"]
