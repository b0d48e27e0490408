import signal

from muse.utils.processes import name_signal


def test_a_signal_has_its_name_or_its_number():
    assert name_signal(signal.SIGSEGV) == "SIGSEGV"
    assert name_signal(12345) == "signal 12345"
