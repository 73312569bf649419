"""Opens public datasets in their own layouts, one module each."""
