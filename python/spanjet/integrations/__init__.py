"""Use spanjet from within other people's pipelines."""
