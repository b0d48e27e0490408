"""Blocks and mugs on a table, and what is to be done with them."""
