"""Stop signals."""

import signal
from unittest import mock

from seq2seq.system.signals import StopSignals


def test_no_signal_ends_the_process_once_the_first_is_received():
    """A terminal and its shell send SIGHUP both: it is ignored before anything is restored."""
    before = signal.getsignal(signal.SIGHUP)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        stop = StopSignals()
        with stop, mock.patch("signal.signal", wraps=signal.signal) as change:
            signal.raise_signal(signal.SIGHUP)
            changes = [call.args[1] for call in change.mock_calls if call.args[0] == signal.SIGHUP]
        assert stop.number == signal.SIGHUP
        assert changes == [signal.SIG_IGN]
    finally:
        signal.signal(signal.SIGHUP, before)
