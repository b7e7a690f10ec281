"""Run a student's file and its functions, and describe the errors it raises."""

import sys
from types import ModuleType, TracebackType
from typing import Any

from seq2seq.errors import UserError

CODE = "<exercise>"  # the name of the file in tracebacks
NAME = "exercise"  # of the module, so that `if __name__ == "__main__"` is false


class StudentError(UserError):
    """The file could not be judged: the message names its line."""


class Program:
    """A student's file as a module, in this process.

    Args:
        source: the text of the file.
        file: its name for messages.

    Raises:
        StudentError: the file cannot be compiled, or raises an exception when it is executed.
    """

    def __init__(self, source: str, file: str) -> None:
        self.file = file
        self.module = ModuleType(NAME)
        sys.modules[NAME] = self.module  # dataclasses look it up
        try:
            exec(compile(source, CODE, "exec"), self.module.__dict__)
        except BaseException as error:
            raise StudentError(describe(error, file)) from None

    def __call__(self, function: str, *arguments: Any) -> Any:
        """Call a function of the file.

        Raises:
            StudentError: there is no such function, or it raises an exception.
        """
        called = self.module.__dict__.get(function)
        if not callable(called):
            what = "no longer defines" if called is None else "has something else in place of"
            raise StudentError(f"{self.file} {what} the function {function}, which is judged")
        try:
            return called(*arguments)
        except BaseException as error:
            message = describe(error, self.file, getattr(called, "__code__", None))
            raise StudentError(f"{message} (called as {signature(function, arguments)})") from None


def signature(function: str, arguments: Any) -> str:
    """Describe a call: tensors by their shapes, other values by themselves."""
    return f"{function}({', '.join(map(argument, arguments))})"


def argument(value: Any) -> str:
    """Describe an argument."""
    if hasattr(value, "shape"):
        return f"tensor{list(value.shape)}"
    if isinstance(value, tuple):
        return f"({', '.join(map(argument, value))})"
    return shortened(repr(value), 60)


def describe(error: BaseException, file: str, code: Any = None) -> str:
    """Describe an exception in one sentence, with the last line of the file that it went through.

    Args:
        error: the exception.
        file: the name of the file.
        code: the code of the called function, whose line is used if the exception went through no
            line of the file.
    """
    line = last_line(error.__traceback__)
    if isinstance(error, SyntaxError) and error.filename == CODE:
        line, text = error.lineno, error.msg
    else:
        text = str(error)
    if line is None and code is not None:
        line = code.co_firstlineno
    place = file if line is None else f"{file}, line {line}"
    if isinstance(error, SystemExit):
        return f"{place}: the program exits (SystemExit) before it can be judged"
    if isinstance(error, RecursionError):
        text = "a function calls itself without end"
    detail = shortened(text, 240)
    return f"{place}: {type(error).__name__}{': ' + detail if detail else ''}"


def last_line(traceback: TracebackType | None) -> int | None:
    """Return the last line of a student's file in a traceback."""
    line = None
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == CODE:
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return line


def shortened(text: str, length: int) -> str:
    """Return a text on one line, without control characters, of at most `length` characters."""
    line = " ".join("".join(c if c.isprintable() or c.isspace() else "?" for c in text).split())
    return line if len(line) <= length else line[: length - 3] + "..."
