"""Where images come from: one file, one function a source; its parameters are the recipe's options."""
