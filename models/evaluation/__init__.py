"""What `marklens evaluate` measures: multi-label classification, retrieval and calibration.

Metrics are named as scikit-learn names them and stand beside a baseline that learnt nothing. The
command line, `models.training` and `models.marknet` import this room; serving never does.
"""
