"""Tide: gauges, windows over the sill, surge alerts and the almanac."""
