"""The dataset tools of AI ToolKit MCP."""
