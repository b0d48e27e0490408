"""Nothing: robomimic looks for networks here only when it is to train on images."""
