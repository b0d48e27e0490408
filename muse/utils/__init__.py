"""Tools that know no robot, one subject per file."""
