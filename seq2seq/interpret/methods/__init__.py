"""Methods that say which source words a target word depends on, one file each.

All return a `SourceMap`, so that extraction rules, figures and files know no method.
"""

from seq2seq.alignment.rule import Rule
from seq2seq.interpret.methods.alti import Alti
from seq2seq.interpret.methods.attention import Attention
from seq2seq.interpret.methods.base import Method
from seq2seq.interpret.methods.gradient import Gradient
from seq2seq.interpret.methods.integrated_gradients import IntegratedGradients
from seq2seq.interpret.methods.occlusion import Occlusion
from seq2seq.interpret.methods.smoothgrad import SmoothGrad
from seq2seq.interpret.methods.vectors import Vectors


def method_of(rule: Rule) -> Method:
    """Return the method whose map a rule reads."""
    match rule.method:
        case "attention":
            return Attention()
        case "vectors":
            return Vectors()
        case "alti":
            return Alti()
        case "occlusion":
            return Occlusion(rule.hide)
        case "gradient":
            return Gradient()
        case "smoothgrad":
            return SmoothGrad()
        case "integrated_gradients":
            return IntegratedGradients()
