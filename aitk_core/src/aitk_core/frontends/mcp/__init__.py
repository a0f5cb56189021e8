"""The MCP frontend: one server object for stdio and streamable HTTP."""
