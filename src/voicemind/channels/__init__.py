"""Ways in: one folder for each wire protocol, and the door before all of them."""
