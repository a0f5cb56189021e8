"""What this distribution adds to AI ToolKit MCP: nothing yet but the rooms behind its tools."""
