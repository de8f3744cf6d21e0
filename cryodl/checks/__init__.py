"""What is unusual about a map, found before it is used."""
