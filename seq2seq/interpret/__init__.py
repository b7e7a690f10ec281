"""Word alignments extracted from attention, and their evaluation against gold links."""
