"""Nothing: robomimic calls functions of this name only on images."""
