"""The Hugging Face Hub: folders go there whole or not at all, and what lies there can be compared."""
