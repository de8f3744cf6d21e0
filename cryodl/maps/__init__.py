"""Maps: reading, writing, resampling, masks, statistics. Arrays are (z, y, x), lengths in Å."""
