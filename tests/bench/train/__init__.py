"""How fast is training, beside its peers: see `__main__` for what is run and printed."""
