"""A policy served by one machine and asked by another. What the robot's machine imports needs numpy and nothing else."""
