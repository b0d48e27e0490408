"""How episodes lie on disk: one module per format, each with `read` and `write` of `EpisodeData`."""
