"""Load tests of `spanjet serve`."""
