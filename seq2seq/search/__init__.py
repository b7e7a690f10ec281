"""Search for translations: beam search (greedy is a beam of size one), sampling, mask-predict."""

from seq2seq.search.base import Hypothesis, Search
from seq2seq.search.beam import Beam
from seq2seq.search.mask_predict import MaskPredict
from seq2seq.search.sample import Sample

__all__ = ["Beam", "Hypothesis", "MaskPredict", "Sample", "Search"]
