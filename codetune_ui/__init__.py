"""CodeTune UI: teach a code model your own code, on one GPU, and see that it learned."""

__version__ = "0.1.0"
