"""The sandbox plugin of AI ToolKit MCP."""
