"""The HTTP frontend: health, readiness, tool list, tool calls, and MCP on the same port."""
