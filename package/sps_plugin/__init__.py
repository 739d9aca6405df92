"""Hands the hooks of SPS over to the binary sps-plugin."""
