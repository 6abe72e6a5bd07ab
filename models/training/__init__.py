"""Making the network: data, heads on cached features, export; serving never imports it."""
