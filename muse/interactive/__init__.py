"""A person in the loop: episodes driven by hand or taken over from a policy, and kept or dropped one by one."""
