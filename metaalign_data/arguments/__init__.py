"""What may be typed: one module a group of commands, none of which imports what the commands do."""
