"""The release of the packages: builds, checks, a local package index, installation from it, and version changes."""
