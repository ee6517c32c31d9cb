"""What changes values: storing, invalidating, and what an open transaction or an absent Redis puts off."""
