"""How good a network is: multi-label classification, retrieval, calibration."""
