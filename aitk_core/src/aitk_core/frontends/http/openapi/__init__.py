"""`GET /openapi.json`: the bridge described in OpenAPI 3.1, from what is installed."""
