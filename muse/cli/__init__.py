"""What people type: one module per verb, called by `muse <verb>`, `python -m muse <verb>` and `scripts/<verb>.py`."""
