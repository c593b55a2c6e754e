"""What an optimisation found, for people: an HTML page with plots, and the plots as a picture."""
