//! The MCP client side: connections, catalogue, validated calls.
