"""Does it hold? Victims x defenses x seeds, with controls, and the reports made of them."""
