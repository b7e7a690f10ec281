"""Methods that say which source words a target word depends on, one file each.

All return a `SourceMap`, so that extraction rules, figures and files know no method.
"""

from seq2seq.alignment.method_names import split_method
from seq2seq.alignment.rule import Rule
from seq2seq.interpret.methods.alti import Alti
from seq2seq.interpret.methods.attention import Attention
from seq2seq.interpret.methods.base import Method
from seq2seq.interpret.methods.gradient import Gradient
from seq2seq.interpret.methods.integrated_gradients import IntegratedGradients
from seq2seq.interpret.methods.occlusion import Occlusion
from seq2seq.interpret.methods.question import WHOLE_WORD, Part, Question
from seq2seq.interpret.methods.smoothgrad import SmoothGrad
from seq2seq.interpret.methods.vectors import Vectors


def method_of(rule: Rule, question: Question | None = None) -> Method:
    """Return the method whose map a rule reads.

    Args:
        rule: the rule.
        question: what a signed method explains, in place of what the rule names; it has no effect
            on other methods.
    """
    name, part = split_method(rule.method)
    asked = question or (WHOLE_WORD if part is None else Part(part))
    match name:
        case "attention":
            return Attention()
        case "vectors":
            return Vectors()
        case "alti":
            return Alti()
        case "occlusion":
            return Occlusion(asked, rule.hide)
        case "gradient":
            return Gradient(asked)
        case "smoothgrad":
            return SmoothGrad(asked)
        case "integrated_gradients":
            return IntegratedGradients(asked)
    raise ValueError(f"there is no method {rule.method!r}")
