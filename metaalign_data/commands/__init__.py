"""The commands: each takes parsed arguments, calls the library, prints, and returns an exit code."""
