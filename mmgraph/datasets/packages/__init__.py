"""Published packages, fetched by the user's own clients and only ever opened as archives."""
