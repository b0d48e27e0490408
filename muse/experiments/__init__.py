"""From params to objects, and the folder where everything a run did lands."""
