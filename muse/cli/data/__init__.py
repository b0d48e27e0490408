"""`muse data`: one module per verb below it."""
