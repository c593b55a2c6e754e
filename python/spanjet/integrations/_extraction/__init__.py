"""Extractive readers of documents, with the settings of Haystack's."""
