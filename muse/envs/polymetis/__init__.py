"""A real Franka Panda, by way of polymetis, and a simulated one behind the same interface."""
