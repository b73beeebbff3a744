"""What a spec means: frozen dataclasses with every reference resolved."""
