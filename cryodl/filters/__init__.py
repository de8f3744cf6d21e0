"""Everything radial in Fourier space: shells, sharpening, flattening, local filters."""
