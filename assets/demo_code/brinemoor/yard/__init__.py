"""Yard: crate stacks, cranes, the truck gate and haul orders."""
