"""A twin of the Azure endpoints on loopback: what ``rehearse`` and the tests write to."""
