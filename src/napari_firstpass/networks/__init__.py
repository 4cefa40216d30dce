"""Networks of Hugging Face transformers, as they lie in folders: loaded, and looked through."""
