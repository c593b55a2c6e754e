"""A checkpoint to an INT8 model directory, with its accuracy measured before and after."""
