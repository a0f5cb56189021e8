"""AI ToolKit MCP in a browser.

tools ──► pages (what is shown) ──► templates ──► web (how it is answered)
"""
