"""Everything that needs a model, and the `aiops` command. Reaches data by MCP alone."""
