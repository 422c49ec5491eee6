"""The sections of the tree, one file a concern."""
