"""A stand-in: robomimic asks which GPUs can draw."""


def get_available_devices():
    """Returns no GPU."""
    return []
