"""The protocols that editors speak to the completion server, one file each."""
