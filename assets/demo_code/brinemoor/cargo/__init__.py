"""Cargo: kelp lots, manifests, weighings and samples."""
