"""What was counted and timed, in this process and over all of them."""
