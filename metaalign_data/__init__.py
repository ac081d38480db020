"""Build datasets for inference-time preference alignment."""

__version__ = "0.1.0"
