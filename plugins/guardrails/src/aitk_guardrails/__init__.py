"""Guardrails of AI ToolKit MCP: a bad config never starts."""
