"""Scripts of the documentation site: hooks of MkDocs, and what its figures are drawn from."""
