"""`muse envs`: the worlds that there are, looked at one by one, and their page."""
