"""Show the result of an optimisation: an HTML page with plots, and the plots as a picture."""
