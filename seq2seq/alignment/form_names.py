"""Names of the formats of links, for the command line: this module imports nothing else."""

from typing import Literal

Form = Literal["auto", "pharaoh", "pharaoh-1", "talp", "naacl", "rwth", "giza"]  # to read
LinkForm = Literal["pharaoh", "talp", "naacl"]  # to write
