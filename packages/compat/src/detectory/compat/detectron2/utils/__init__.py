"""What the rest uses: registries, communication, logging, events, drawing."""
