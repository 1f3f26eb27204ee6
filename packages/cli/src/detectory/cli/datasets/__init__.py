"""Selection of annotation sources and records, and format conversion."""
