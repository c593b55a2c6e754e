"""How the bundled models are made: data, training, conversion, calibration."""
