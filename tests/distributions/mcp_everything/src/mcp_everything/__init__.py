"""What the MCP conformance suite asks of a server, declared through the plugin hooks alone.

Names and answers are those of `@modelcontextprotocol/conformance` 0.2.0-alpha.12, whose
scenarios look for them. Nothing here knows the protocol's library.
"""
