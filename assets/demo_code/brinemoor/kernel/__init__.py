"""House kernel: the types and guards that every Brinemoor sub-package is built on."""
