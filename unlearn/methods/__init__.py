"""Methods of protection: one file each, a frozen dataclass whose fields are the recipe's schema."""
