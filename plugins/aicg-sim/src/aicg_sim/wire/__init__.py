"""The engine behind HTTP: OpenAI's and Anthropic's protocols, and faults on the wire."""
