"""Compare models and baselines in MLPerf's Offline scenario on this machine."""
