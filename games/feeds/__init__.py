"""Where games come from: one small interface (`base`), its implementations, and the loop that records (`monitor`)."""
