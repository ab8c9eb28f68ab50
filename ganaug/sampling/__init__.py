"""How samples are drawn: trained models, filters, the requested counts, and shards."""
