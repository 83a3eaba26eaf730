"""Cold hold: chambers, probes, defrost cycles and flake ice."""
