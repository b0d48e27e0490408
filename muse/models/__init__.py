"""Models hold all parameters, and define `forward` and `loss`."""
